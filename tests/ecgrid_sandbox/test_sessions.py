"""Sessions, keys and rights."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ecgrid_sandbox import Sandbox, Trouble, World

Start = Callable[..., Any]


@pytest.fixture
def start(world: World, wire: Any) -> Iterator[Start]:
    """Starts a sandbox of its own for a test and gives a client of it."""
    running: list[Sandbox] = []

    def begin(**options: Any) -> Any:
        running.append(Sandbox(world, **options).start())
        return type(wire)(running[-1])

    yield begin
    for sandbox in running:
        sandbox.stop()


def login(wire: Any, version: str = "v3.2", user: int = 0) -> Any:
    account = wire.sandbox.users[user]
    return wire.ask(version, "Login", LoginName=account.login_name, Password=account.password)


def test_a_session_is_opened_used_and_closed(start: Start) -> None:
    wire = start()
    session = login(wire).result.text
    assert wire.sandbox.open_sessions == 1
    who = wire.ask("v3.2", "WhoAmI", SessionID=session)
    assert (who.text("SessionID"), who.text("OpenSessions"), who.text("UserID")) == (session, "1", "5001")
    assert wire.ask("v3.2", "Logout", SessionID=session).result.text == "0"
    assert wire.sandbox.open_sessions == 0
    assert wire.ask("v3.2", "WhoAmI", SessionID=session).fault == ("Invalid Session ID", "Authentication")
    assert wire.ask("v3.2", "Logout", SessionID=session).fault == ("Invalid Session ID", "Authentication")


def test_a_session_holds_on_its_own_endpoint_only(start: Start) -> None:
    wire = start()
    session = login(wire, "v3.2").result.text
    assert wire.ask("v4.1", "WhoAmI", SessionID=session).fault == ("Invalid Session ID", "Authentication")
    assert wire.ask("v4.1", "Logout", SessionID=session).status == 500
    assert wire.sandbox.open_sessions == 1


def test_wrong_credentials_open_nothing(start: Start) -> None:
    wire = start()
    for name, password in (("demo@localhost", "wrong"), ("nobody", wire.sandbox.password), ("", "")):
        got = wire.ask("v3.2", "Login", LoginName=name, Password=password)
        assert got.fault == ("Invalid Login Name or Password", "Authentication")
    assert wire.sandbox.open_sessions == 0


def test_five_sessions_a_user_over_all_endpoints(start: Start) -> None:
    wire = start()
    sessions = [login(wire, version).result.text for version in ("v2.3", "v3.2", "v4.1", "v3.2", "v3.2")]
    refused = login(wire)
    assert refused.body == (_wire() / "v3.2-Login-too-many-sessions.soap11.response.xml").read_bytes()
    assert login(wire, user=1).status == 200  # another user has five of its own
    assert wire.ask("v2.3", "Logout", SessionID=sessions[0]).status == 200
    assert login(wire).status == 200


def _wire() -> Any:
    from pathlib import Path

    return Path(__file__).parents[1] / "wire"


def test_a_session_ends_after_so_many_calls(start: Start) -> None:
    wire = start(trouble=Trouble(session_calls=3))
    session = login(wire).result.text
    assert [wire.ask("v3.2", "WhoAmI", SessionID=session).status for _ in range(5)] == [200, 200, 200, 500, 500]
    assert wire.sandbox.open_sessions == 0
    again = login(wire).result.text
    assert wire.ask("v3.2", "WhoAmI", SessionID=again).status == 200


def test_an_idle_session_ends(start: Start) -> None:
    wire = start(trouble=Trouble(session_idle_s=0))
    session = login(wire).result.text
    assert wire.ask("v3.2", "WhoAmI", SessionID=session).fault[0] == "Invalid Session ID"


def test_an_api_key_stands_in_for_a_session_on_every_endpoint(start: Start) -> None:
    wire = start()
    for version in ("v2.3", "v3.2", "v4.1"):
        assert wire.ask(version, "WhoAmI", SessionID=wire.sandbox.api_key.lower()).text("UserID") == "5001"
        assert wire.ask(version, "Logout", SessionID=wire.sandbox.api_key).status == 200
    assert wire.sandbox.open_sessions == 0


def test_a_new_key_replaces_the_old_at_once(start: Start) -> None:
    wire = start()
    old = wire.sandbox.api_key
    assert wire.ask("v4.1", "UserGetAPIKey", UserID=5001).result.text == old
    new = wire.ask("v4.1", "GenerateAPIKey", UserID=5001).result.text
    assert new == wire.sandbox.api_key != old
    assert wire.ask("v3.2", "WhoAmI", SessionID=old).fault == ("Invalid Session ID", "Authentication")
    assert wire.ask("v4.1", "GenerateAPIKey", UserID=1).fault[1] == "NotFound"


def test_keys_are_given_to_those_above_only(start: Start) -> None:
    wire = start()
    admin, box = (wire.sandbox.users[place].api_key for place in (1, 2))
    assert wire.ask("v4.1", "UserGetAPIKey", SessionID=admin, UserID=5006).result.text == box
    assert wire.ask("v4.1", "UserGetAPIKey", SessionID=box, UserID=5005).fault[1] == "AccessDenied"
    assert wire.ask("v4.1", "GenerateAPIKey", SessionID=admin, UserID=5001).fault[1] == "AccessDenied"
    assert wire.ask("v4.1", "UserGetAPIKey", SessionID=box, UserID=5006).result.text == box


def test_credentials_are_new_for_every_sandbox_and_never_shown(world: World) -> None:
    one, other = Sandbox(world), Sandbox(world)
    assert one.password != other.password
    assert one.api_key != other.api_key
    for secret in (one.password, one.api_key):
        assert secret not in repr(one.users)
    for sandbox in (one, other):
        sandbox.stop()


@pytest.mark.parametrize(
    ("level", "networks", "list_ex", "contracts"),
    [("NetOps", 4, 200, 5), ("NetworkAdmin", 1, 500, 2), ("NetworkUser", 1, 500, 2), ("MailboxUser", 0, 500, 0)],
)
def test_rights_follow_the_level(start: Start, level: str, networks: int, list_ex: int, contracts: int) -> None:
    wire = start(auth_level=level)
    assert len(wire.ask("v3.2", "NetworkList", Name="").all("NetworkIDInfo")) == networks
    assert wire.ask("v3.2", "MailboxListEx", NetworkID=4440, Name="").status == list_ex
    listed = wire.ask("v3.2", "ContractList", ActiveDate="2026-10-01T00:00:00", ShowInactive="false")
    assert len(listed.all("Contract")) == contracts
    others = wire.line((4443, 0), ("FixedRate", "Each"))
    assert (others.fault[1] == "AccessDenied") if level != "NetOps" else others.result is None


def test_unknown_levels_are_refused_by_name(world: World) -> None:
    with pytest.raises(ValueError, match="'Boss' is not an authorisation level"):
        Sandbox(world, auth_level="Boss")


def test_a_mailbox_user_sees_its_mailbox_alone(wire: Any, world: World) -> None:
    key = wire.sandbox.users[2].api_key
    listed = wire.ask("v3.2", "MailboxList", SessionID=key, Name="")
    assert listed.texts("MailboxIDInfo/MailboxID") == ["105211"]
    assert wire.ask("v3.2", "MailboxInfo", SessionID=key, MailboxID=105212).fault[1] == "AccessDenied"
    assert wire.line((4440, 105211), ("FixedRate", "FixedRate"), SessionID=key).text("Amount") == "39.90"
    assert wire.line((4440, 105212), ("FixedRate", "FixedRate"), SessionID=key).fault[1] == "AccessDenied"


def test_lists_of_accounts(wire: Any, world: World) -> None:
    def boxes(network_id: int) -> list[str]:
        return wire.ask("v3.2", "MailboxListEx", NetworkID=network_id, Name="").texts("MailboxIDInfo/MailboxID")

    own = wire.ask("v3.2", "MailboxList", Name="").texts("MailboxIDInfo/MailboxID")
    assert own == boxes(4440)  # the session's own network
    every = [box for network in world.networks for box in boxes(network.network_id)]
    assert sorted(every) == sorted(boxes(-1)) == sorted(str(box.mailbox_id) for box in world.mailboxes)
    assert wire.ask("v3.2", "MailboxListEx", NetworkID=1, Name="").fault == ("NetworkID 1 not found", "NotFound")
    named = wire.ask("v3.2", "MailboxListEx", NetworkID=-1, Name="versand").texts("MailboxIDInfo/Name")
    assert named == ["+49 Versand"]


def test_contracts_are_shallow_in_the_list_and_deep_alone(wire: Any, world: World) -> None:
    listed = wire.ask("v3.2", "ContractList", ActiveDate="2026-10-01T00:00:00", ShowInactive="true")
    assert listed.texts("Contract/ContractID") == [str(contract.contract_id) for contract in world.contracts]
    assert not listed.all("Contract/Mailboxes")
    never = listed.texts("Contract/LastInvoiceDate")[-1]
    assert never == "0001-01-01T00:00:00"
    billed: list[tuple[str, str]] = []
    for contract_id in listed.texts("Contract/ContractID"):
        deep = wire.ask("v3.2", "ContractInfo", ContractID=contract_id)
        billed += [(network, "0") for network in deep.texts("Networks/NetworkIDInfo/NetworkID")]
        billed += zip(
            deep.texts("Mailboxes/MailboxIDInfo/NetworkID"),
            deep.texts("Mailboxes/MailboxIDInfo/MailboxID"),
            strict=True,
        )
    assert sorted(billed) == sorted((str(network), str(box)) for network, box in world.accounts)


def test_names_come_through_as_they_are(wire: Any, world: World) -> None:
    listed = wire.ask("v3.2", "MailboxListEx", NetworkID=-1, Name="")
    names = dict(zip(listed.texts("MailboxIDInfo/MailboxID"), listed.texts("MailboxIDInfo/Name"), strict=True))
    for box in world.mailboxes:
        # XML's own rule: a reader gets LF for CR LF (facts 8)
        assert names[str(box.mailbox_id)] == box.name.replace("\r\n", "\n")
    assert {"=1+1 Trading", "+49 Versand", "株式会社テスト", "First line,\nsecond line\nthird line"} <= set(
        names.values()
    )
