"""Settings: what the environment may say, and how a refusal reads."""

import pickle
import re
from pathlib import Path

import pytest

from ecgrid_flows.errors import SettingsError
from ecgrid_flows.settings import V3_URL, Secret, Settings

KEY = "8d0b7c1e-aaaa-bbbb-cccc-123456789012"
NOWHERE = Path("/nonexistent/.env")


def load(**environ: str) -> Settings:
    return Settings.load(environ={f"ECGRID_{name}": value for name, value in environ.items()}, dotenv=NOWHERE)


def test_defaults_are_those_of_the_contract() -> None:
    settings = load(API_KEY=KEY)
    assert settings.v3_url == V3_URL == "https://ecgridos.net/v3.2/prod/ecgridos.asmx"
    assert (settings.concurrency, settings.call_timeout_s, settings.max_attempts) == (8, 60, 5)
    assert (settings.plan, settings.data_dir, settings.has_credentials) == ("price-list", "data", True)


def test_the_sandbox_has_a_default_directory_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without credentials: `data/sandbox`, until a run has filled `data`. What is given goes before the default."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data/reference").mkdir(parents=True)
    assert (load().data_dir, load().has_credentials) == ("data/sandbox", False)
    assert load(API_KEY=KEY).data_dir == load(LOGIN_NAME="me", PASSWORD="hunter2hunter2").data_dir == "data"
    assert load(DATA_DIR="here").data_dir == "here"
    (tmp_path / "data/raw").mkdir()
    assert load().data_dir == "data", "a reader without credentials finds what a service has filled"


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("CONCURRENCY", "0", "ECGRID_CONCURRENCY is '0': write a whole number from 1 to 1024"),
        ("CONCURRENCY", "eight", "ECGRID_CONCURRENCY is 'eight'"),
        ("CALL_TIMEOUT_S", "-1", "ECGRID_CALL_TIMEOUT_S"),
        ("MAX_ATTEMPTS", "٣", "ECGRID_MAX_ATTEMPTS"),
        ("PLAN", "everything", "write price-list or all-pairs"),
        ("V3_URL", "http://ecgridos.net/v3.2/prod/ecgridos.asmx", "plain http"),
        ("V3_URL", "ecgridos.net", "not a full https address"),
        ("V3_URL", "http://[::1/x.asmx", "ECGRID_V3_URL"),
        ("V3_URL", "https://ecgridos.net/v3.2/prod/ecgridos.asmx?WSDL", "must end in .asmx"),
        ("ACCOUNTS", "/nonexistent/accounts.csv", "not a file"),
        ("DATA_DIR", "ftp://somewhere", "a local folder or s3://"),
        ("TASK_RUNNER", "ray", "threads, dask or dask://host:port"),
        ("LOGIN_NAME", "demo", "ECGRID_PASSWORD is not set"),
        ("PASSWORD", "hunter2hunter2", "ECGRID_LOGIN_NAME is not set"),
    ],
)
def test_a_wrong_value_is_refused_by_name(name: str, value: str, says: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load(**{name: value})
    assert says in str(refused.value)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost", "[::1]:9", "127.5.5.5"])
def test_plain_http_is_for_loopback(host: str) -> None:
    assert load(V4_URL=f"http://{host}/x.asmx").v4_url == f"http://{host}/x.asmx"


def test_an_address_with_credentials_is_refused_without_repeating_them() -> None:
    with pytest.raises(SettingsError) as refused:
        load(V3_URL="https://user:hunter2@ecgridos.net/x.asmx")
    assert "hunter2" not in str(refused.value)


def test_secrets_show_nowhere() -> None:
    settings = load(API_KEY=KEY, LOGIN_NAME="demo", PASSWORD="hunter2hunter2")
    assert KEY not in repr(settings)
    assert "hunter2" not in repr(settings) + str(settings.password) + f"{settings.password}"
    assert settings.api_key == Secret(KEY)
    assert settings.api_key.reveal() == KEY
    with pytest.raises(TypeError, match="is never pickled"):
        pickle.dumps(settings)


def test_dotenv_stands_below_the_environment_and_is_taken_literally(tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text("ECGRID_LOGIN_NAME=from-file\nECGRID_PASSWORD=' pa$$word ${HOME} '\nECGRID_CONCURRENCY=3\n")
    settings = Settings.load(environ={"ECGRID_CONCURRENCY": "5"}, dotenv=dotenv)
    assert (settings.login_name, settings.concurrency) == ("from-file", 5)
    assert settings.password is not None
    assert settings.password.reveal() == " pa$$word ${HOME} "


def test_an_empty_value_counts_as_absent() -> None:
    assert load(API_KEY="  ", CONCURRENCY="").has_credentials is False


def test_the_option_beats_the_environment() -> None:
    assert Settings.load("elsewhere", environ={"ECGRID_DATA_DIR": "here"}, dotenv=NOWHERE).data_dir == "elsewhere"


def test_a_folder_whose_name_is_no_text_is_refused() -> None:
    """What Python makes of the byte E9 (é in Latin-1) where names are UTF-8; DuckDB takes no such path."""
    with pytest.raises(SettingsError, match="ECGRID_DATA_DIR"):
        Settings.load("caf\udce9", environ={}, dotenv=NOWHERE)


@pytest.mark.parametrize("code", ["USD", "EUR", "JPY", "KWD", "XCG", "BGN"])  # BGN was replaced in 2026: 2025 is booked
def test_a_currency_is_one_of_iso_4217(code: str) -> None:
    assert Settings.load(environ={"ECGRID_CURRENCY": code}).currency == code


@pytest.mark.parametrize(
    ("text", "words"),
    [("UDS", "did you mean USD?"), ("usd", "did you mean USD?"), ("EURO", "did you mean EUR?"), ("GPB", "mean GBP?"),
     ("XXX", "such as USD"), ("XAU", "ISO 4217"), ("DEM", "such as USD"), ("CNH", "ISO 4217"), ("$", "such as USD")],
)  # fmt: skip
def test_what_is_no_currency_is_refused_with_the_nearest_code(text: str, words: str) -> None:
    with pytest.raises(
        SettingsError, match=re.escape(f"ECGRID_CURRENCY is '{text}': write the ISO 4217 code")
    ) as found:
        Settings.load(environ={"ECGRID_CURRENCY": text})
    assert words in str(found.value)
