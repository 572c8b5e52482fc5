"""How long the bills of a month's clients take, beside the month's export: at most 1.2 times as long.

    python tests/bench/rebill.py [--lines 1000000] [--keep FOLDER]

The data are those of `export.py`. Each of the networks is a client, in turns with every rule of a price: as billed, a
markup in percent and per unit, and a ladder of its own. Both run in processes of their own, one after the other.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from export import MONTH, export_once, make, peak_bytes
from made_up import MEASURES

from ecgrid_flows.settings import Settings

MOST = 1.2
NETWORKS = range(100, 1200)
RULES = ("pass_through,", "markup_percent,12.5", "markup_per_unit,0.01", "pass_through,")


def write_files(settings: Settings) -> None:
    """The files of the clients, in the data directory."""
    folder = settings.local_dir / "reference"
    (folder / "ladders").mkdir(parents=True, exist_ok=True)
    clients = [f"{network},,Client {network},CC-{network % 7},," for network in NETWORKS]
    header = "network_id,mailbox_id,client,cost_centre,valid_from,valid_to"
    (folder / "clients.csv").write_text("\n".join([header, *clients, ""]))
    header = "client,account_report,measure_field,rule,value,reading,minimum,valid_from"
    prices = [f"Client {network},,,{RULES[network % 4]},,," for network in NETWORKS]
    prices += [
        f"Client {network},{report},{measure},ladder,own,,,"
        for network in NETWORKS
        if network % 4 == 3
        for report, measure, *_ in MEASURES
    ]
    (folder / "client_prices.csv").write_text("\n".join([header, *prices, ""]))
    header = "account_report,measure_field,model,tier,minimum,maximum,allowance,block,rate,flat"
    tiers = [
        row
        for report, measure, *_ in MEASURES
        for row in (f"{report},{measure},graduated,1,0,1000,,1,0.30,", f"{report},{measure},graduated,2,1000,,,1,0.20,")
    ]
    (folder / "ladders/own.csv").write_text("\n".join([header, *tiers, ""]))


def rebill_once(settings: Settings) -> dict[str, Any]:
    """What the child process does: the bills of one month; their time, peak memory and files."""
    from ecgrid_flows.finance import audit_log
    from ecgrid_flows.finance.rebill import rebill_month
    from ecgrid_flows.storage.opening import open_store

    store = open_store(settings)
    started = time.perf_counter()
    done = rebill_month(settings, store, audit_log.read(store), MONTH)
    seconds = time.perf_counter() - started
    return {
        "seconds": seconds,
        "cpu_seconds": time.process_time(),
        "peak_bytes": peak_bytes(),
        "statements": len(done.statements),
        "bytes": sum(path.stat().st_size for path in done.files),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--keep", type=Path, help="make the data here and leave it, or use what is here")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        name, data_dir = asked.child
        once = rebill_once if name == "rebill" else export_once
        json.dump(once(Settings(data_dir=data_dir, currency="USD")), sys.stdout)
        return
    with tempfile.TemporaryDirectory(prefix="rebill-") as name:
        folder = asked.keep or Path(name)
        kept = Settings(data_dir=str(folder / "data"), currency="USD")
        settings = kept if kept.warehouse_path.is_file() else make(folder, asked.lines)
        write_files(settings)
        found = {}
        for what, folder_of in (("export", "exports"), ("rebill", "rebill")):
            subprocess.run(["rm", "-rf", str(settings.local_dir / folder_of)], check=True)
            command = [sys.executable, __file__, "--child", what, settings.data_dir]
            found[what] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    ratio = found["rebill"]["seconds"] / found["export"]["seconds"]
    print(f"{asked.lines:,} lines, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    for what, one in found.items():
        print(
            f"{what:<8}{one['seconds']:>7.1f} s, {one['cpu_seconds']:.1f} s of CPU, "
            f"{one['peak_bytes'] / 2**30:.2f} GiB at the peak"
        )
    print(f"{found['rebill']['statements']} statements, {found['rebill']['bytes'] / 2**20:.0f} MiB")
    print(f"rebill takes {ratio:.2f} times the export (at most {MOST})")


if __name__ == "__main__":
    main()
