"""An imitation of the ECGridOS web services with made-up data: for the first run, for tests, for benchmarks.

It is a stranger to the rest of the project: it prices with its own naive code and is wrong on purpose in known places
(catalogue.toml), so that what the reconciliation finds proves something. `Sandbox` serves in a thread of this process,
`spawn` in a child process; `World` is what they answer from, `Trouble` what they do to their callers.
"""

from ecgrid_sandbox.service.child import SpawnedSandbox, spawn
from ecgrid_sandbox.service.server import Sandbox
from ecgrid_sandbox.service.trouble import Trouble
from ecgrid_sandbox.world.model import Meaning, Wrong
from ecgrid_sandbox.worlds import World

__all__ = ["Meaning", "Sandbox", "SpawnedSandbox", "Trouble", "World", "Wrong", "spawn"]
