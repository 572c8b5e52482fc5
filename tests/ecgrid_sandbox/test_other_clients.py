"""Three clients that no one here wrote, each from the sandbox's own ?WSDL: zeep, node's `soap`, PHP's SoapClient.

Node's runs where node and its package are installed (`npm install soap` in some folder, and NODE_PATH set to
that folder's node_modules); by hand: `node tests/ecgrid_sandbox/soap_client.mjs ADDRESS_V3 ADDRESS_V4 LOGIN PASSWORD`.
"""

import json
import os
import shutil
import subprocess
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import zeep

from ecgrid_sandbox import World
from ecgrid_transforms.money import Decimal

FOLDER = Path(__file__).parent
MONTH = datetime(2026, 10, 1)  # noqa: DTZ001 - months go out bare
TIERED = ("TrafficKCInterchangeTiered", "TieredKCIntCount")


@pytest.mark.parametrize("port", ["Soap", "Soap12"])
def test_zeep_drives_v3_from_the_sandboxs_own_wsdl(wire: Any, world: World, port: str) -> None:
    sandbox = wire.sandbox
    client = zeep.Client(f"{sandbox.v3_url}?WSDL", port_name=f"ECGridOS_x0020_API_x0020_v3{port}")
    session = client.service.Login(sandbox.login_name, sandbox.password)
    assert client.service.WhoAmI(session).AuthLevel == "NetOps"
    assert [network.NetworkID for network in client.service.NetworkList(session, "")] == [
        network.network_id for network in world.networks
    ]
    assert len(client.service.MailboxListEx(session, -1, "")) == len(world.mailboxes)
    line = client.service.InvoiceCalculateLineItem(session, 4443, 0, MONTH, *TIERED)
    assert line.Actual == world.use[(4443, 0)][TIERED][3]
    assert line.Schedule.Block == Decimal(5)
    assert client.service.InvoiceCalculateLineItem(session, 4443, 0, MONTH, "TrafficAll", "ToKCs") is None
    with pytest.raises(zeep.exceptions.Fault, match="not on Pricelist"):
        client.service.InvoiceCalculateLineItem(session, 4440, 0, MONTH, "TrafficAll", "ToKCs")
    levels = client.service.PricelistInfo(session, 432).Levels.Level
    assert [level.Level for level in levels] == ["General", "Tier1", "Tier2", "Tier3"]
    contract = client.service.ContractInfo(session, 8755)
    assert len(contract.Mailboxes.MailboxIDInfo) == 5
    assert client.service.NetworkList(session, "no such name") is None  # an empty list
    assert client.service.Logout(session) == 0


@pytest.mark.parametrize(("version", "url"), [("v2", "v2_url"), ("v4", "v4_url")])
def test_zeep_reads_data_sets_of_the_other_versions(wire: Any, version: str, url: str) -> None:
    client = zeep.Client(f"{getattr(wire.sandbox, url)}?WSDL")
    answer = client.service.InterconnectCount(wire.sandbox.api_key, 31)
    rows = answer["_value_1"]["_value_1"]
    assert [row["Table"]["StatusID"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert client.service.Version().startswith(version)


def test_node_soap_drives_the_sandbox(wire: Any, world: World) -> None:
    modules = os.environ.get("NODE_PATH", "").split(os.pathsep)
    if not any(folder and (Path(folder) / "soap").is_dir() for folder in modules):
        pytest.skip("node's package `soap` is not installed, or NODE_PATH does not name its node_modules")
    drives(wire.sandbox, world, program("node"), FOLDER / "soap_client.mjs")


def test_php_drives_the_sandbox(wire: Any, world: World) -> None:
    php = program("php")
    listed = subprocess.run([php, "-m"], capture_output=True, text=True, check=True)
    if "soap" not in listed.stdout.split():
        pytest.skip("PHP's extension `soap` is not installed")
    drives(wire.sandbox, world, php, FOLDER / "soap_client.php")


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def drives(sandbox: Any, world: World, program: str, script: Path) -> None:
    """The script logs in, reads lists, a line, a fault, a price list and a DataSet, logs out, and prints them."""
    command = [program, str(script), sandbox.v3_url, sandbox.v4_url, sandbox.login_name, sandbox.password]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert told["networks"] == [network.network_id for network in world.networks]
    assert told["actual"] == str(world.use[(4443, 0)][TIERED][3])
    assert told["fault"] == "AccountReport/MeasureField not on Pricelist: TrafficAll/ToKCs"
    assert told["levels"] == ["General", "Tier1", "Tier2", "Tier3"]
    assert told["columns"] >= 6
    assert told["logout"] == 0
    assert sandbox.open_sessions == 0
