"""Whose a data directory is: the service that filled it, or the sandbox; and that no other run may add to it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from ecgrid_flows.errors import SettingsError
from ecgrid_flows.orchestration import doctor, session
from ecgrid_flows.progress import Reporter
from ecgrid_flows.settings import Secret, Settings
from ecgrid_flows.storage import data_owner

REAL = Settings(api_key=Secret("0123-key"))


def check(data_dir: Path, settings: Settings = REAL, *, is_invented: bool = False) -> None:
    """What every run does before it asks anything, and once it has an answer."""
    here = replace(settings, data_dir=str(data_dir))
    with session.opened(settings=here, reporter=Reporter(mute=True), is_invented=is_invented) as run:
        run.check_source()
        if run.puller.before_first_answer is not None:
            run.puller.before_first_answer()


def kept(data_dir: Path) -> object:
    return json.loads((data_dir / "raw/_source.json").read_text(encoding="utf-8"))


def test_a_service_of_one_address_is_named_once() -> None:
    assert str(data_owner.Source(False, "127.0.0.1:8123/prod", "127.0.0.1:8123/prod")) == "127.0.0.1:8123/prod"
    assert str(data_owner.Source(False, "a.example/prod", "b.example/prod")) == "a.example/prod and b.example/prod"


def test_a_directory_belongs_to_the_service_that_filled_it(tmp_path: Path) -> None:
    check(tmp_path)
    check(tmp_path)
    assert kept(tmp_path) == {
        "invented": False,
        "service": {"v3": "ecgridos.net/prod/ecgridos.asmx", "v4": "os.ecgrid.io/prod/ecgridos.asmx"},
    }
    with pytest.raises(SettingsError, match=r"holds data of ecgridos\.net/prod/ecgridos\.asmx"):
        check(tmp_path, is_invented=True)


@pytest.mark.parametrize(
    "url",
    [
        "https://ecgridos.net/v3.0/prod/ECGridOS.asmx",  # facts 1.1: both seen for one service
        "https://ECGRIDOS.NET:443/V3.2/Prod/ecgridos.asmx",
    ],
)
def test_another_version_or_case_is_the_same_service(tmp_path: Path, url: str) -> None:
    check(tmp_path)
    check(tmp_path, replace(REAL, v3_url=url))


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("v3_url", "https://other.example.com/v3.2/prod/ecgridos.asmx"),
        ("v3_url", "https://ecgridos.net/v3.2/beta/ecgridos.asmx"),
        ("v3_url", "https://ecgridos.net:8443/v3.2/prod/ecgridos.asmx"),
        ("v4_url", "https://other.example.com/v4.1/prod/ECGridOS.asmx"),
    ],
)
def test_another_service_is_refused(tmp_path: Path, name: str, url: str) -> None:
    check(tmp_path)
    before = kept(tmp_path)
    with pytest.raises(SettingsError, match="give another --data-dir") as refused:
        check(tmp_path, replace(REAL, **{name: url}))
    assert refused.value.status == 2
    assert kept(tmp_path) == before


def test_the_sandboxs_directory_refuses_a_service(tmp_path: Path) -> None:
    check(tmp_path, is_invented=True)
    check(
        tmp_path, replace(REAL, v3_url="http://127.0.0.1:1/x.asmx"), is_invented=True
    )  # its port is another each time
    with pytest.raises(SettingsError, match="holds invented data of the built-in sandbox"):
        check(tmp_path)


def test_what_earlier_releases_wrote_is_understood(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw/_source.json").write_text('{"invented": false}\n')
    with pytest.raises(SettingsError, match="set ECGRID_API_KEY"):
        check(tmp_path, is_invented=True)
    check(tmp_path)
    with pytest.raises(SettingsError, match="holds data of"):
        check(tmp_path, replace(REAL, v3_url="https://other.example.com/x.asmx"))
    (tmp_path / "raw/_source.json").write_text('{"invented": true}\n')
    check(tmp_path, is_invented=True)
    with pytest.raises(SettingsError, match="invented data"):
        check(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"invented": 1}', '{"invented": false, "service": 3}'])
def test_a_damaged_record_is_refused_by_everybody(tmp_path: Path, text: str) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw/_source.json").write_text(text)
    for is_invented in (False, True):
        with pytest.raises(SettingsError, match="is damaged"):
            check(tmp_path, is_invented=is_invented)
    assert not data_owner.is_invented(replace(REAL, data_dir=str(tmp_path)))


def owner(settings: Settings) -> doctor.Check:
    return next(check for check in doctor.machine(settings) if check.name == "data belong to")


def test_doctor_shows_whose_the_directory_is(tmp_path: Path) -> None:
    here, folder = replace(REAL, data_dir=str(tmp_path / "data")), tmp_path / "data"
    assert owner(here).words.startswith("no service yet")
    assert not folder.exists(), "doctor writes nothing"
    check(folder)
    assert owner(here).words == "ecgridos.net/prod/ecgridos.asmx and os.ecgrid.io/prod/ecgridos.asmx"
    without = owner(replace(here, api_key=None))
    assert (without.health, "set ECGRID_API_KEY" in without.words) == (doctor.Health.FAILED, True)


def test_a_run_leaves_the_half_written_files_of_a_directory_inside_its_own(tmp_path: Path) -> None:
    """`data/sandbox` lies in `data`; each is cleared by its own run alone."""
    check(tmp_path / "sandbox", is_invented=True)
    (tmp_path / "raw").mkdir()
    own, others = tmp_path / "raw/.half-1", tmp_path / "sandbox/raw/.half-2"
    own.touch()
    others.touch()
    check(tmp_path)
    assert (own.exists(), others.exists()) == (False, True)
