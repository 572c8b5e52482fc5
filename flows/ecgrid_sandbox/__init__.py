"""An imitation of the ECGridOS web services with made-up data: for the first run, for tests, for benchmarks.

It is independent of the rest of the project: it prices with its own naive code and has planted errors in known places
(catalogue.toml), so that agreement with the reconciliation is evidence. `Sandbox` serves in a thread of this process,
`spawn` in a child process; `World` is the data that they serve, `Trouble` the failures that they simulate.
"""

from ecgrid_sandbox.service.child import SpawnedSandbox, spawn
from ecgrid_sandbox.service.server import Sandbox
from ecgrid_sandbox.service.trouble import Trouble
from ecgrid_sandbox.world.model import Meaning, PlantedError
from ecgrid_sandbox.worlds import World

__all__ = ["Meaning", "PlantedError", "Sandbox", "SpawnedSandbox", "Trouble", "World", "spawn"]
