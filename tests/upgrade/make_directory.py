"""Write a small data directory with the code of this commit: `python tests/upgrade/make_directory.py COMMIT`.

One network of the sandbox's shipped world in 2026-09 and 2026-10. September is closed with its errors accepted, then
restated by the vendor, pulled again and its correction booked; in October one finding is accepted and two are disputed.
What can be made again (warehouse, reports) is left out.
"""

import json
import os
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import replace
from datetime import date
from pathlib import Path

from ecgrid_sandbox import Sandbox, World

HERE = Path(__file__).resolve().parent
NETWORK = 4440
CLOSED, OPEN = "2026-09", "2026-10"


def small_world() -> World:
    """The shipped world, cut down to one network."""
    whole = World.shipped(date(2026, 10, 1))
    own = {network.network_id: network for network in whole.networks}[NETWORK]
    boxes = tuple(mailbox for mailbox in whole.mailboxes if mailbox.network_id == NETWORK)
    contracts = {own.contract_id, *(mailbox.contract_id for mailbox in boxes)}
    return replace(
        whole,
        networks=(own,),
        mailboxes=boxes,
        contracts=tuple(contract for contract in whole.contracts if contract.contract_id in contracts),
        planned_errors=tuple(plant for plant in whole.planned_errors if plant.target.network_id == NETWORK),
        use={account: use for account, use in whole.use.items() if account[0] == NETWORK},
    )


def fill(folder: Path) -> None:
    """Run, close, decide, restate, run again and book, as a user would by the command line."""
    with Sandbox(small_world()) as sandbox:
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("ECGRID_", "PREFECT_"))}
        environ |= {
            "ECGRID_V2_URL": sandbox.v2_url,
            "ECGRID_V3_URL": sandbox.v3_url,
            "ECGRID_V4_URL": sandbox.v4_url,
            "ECGRID_LOGIN_NAME": sandbox.login_name,
            "ECGRID_PASSWORD": sandbox.password,
            "ECGRID_CURRENCY": "USD",
            "ECGRID_DATA_DIR": str(folder),
            "LOGNAME": "accounts-payable",
        }

        def billing(*arguments: str) -> str:
            command = [str(Path(sys.executable).parent / "ecgrid-billing"), *arguments]
            done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
            if done.returncode not in (0, 1):
                raise SystemExit(f"{' '.join(arguments)} ended with {done.returncode}\n{done.stderr}")
            return done.stdout

        def errors(month: str) -> list[str]:
            found = json.loads(billing("findings", "--month", month, "--json"))["findings"]
            return [row["finding_id"] for row in found if row["severity"] == "error"]

        billing("run", "--from", CLOSED, "--to", OPEN)
        accepted = [word for name in errors(CLOSED) for word in ("--accept", name)]
        billing("close", CLOSED, *accepted, "--why", "small")
        first, second, third = errors(OPEN)[:3]
        billing("findings", "set", first, "accepted", "--note", "settled by phone")
        billing("findings", "set", second, third, "disputed", "--note", "sent to the vendor")
        billing("export", "--month", OPEN)
        sandbox.restate()
        billing("run", "--month", CLOSED, "--refresh")
        billing("corrections", CLOSED, "--book", "--note", "first batch")


def main() -> None:
    target = HERE / f"{sys.argv[1]}.tar.xz"
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made) / "data"
        fill(folder)
        with tarfile.open(target, "w:xz", preset=9) as archive:
            for name in ("raw", "lake", "exports", "closings"):
                archive.add(folder / name, name)
    print(f"{target}: {target.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
