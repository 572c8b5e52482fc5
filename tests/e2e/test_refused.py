"""What a run does when the service refuses it, over real HTTP."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ecgrid_sandbox import Sandbox, World


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(World.shipped()) as running:
        yield running


def test_a_wrong_password_is_status_3_and_leaves_no_session(billing, sandbox: Sandbox, tmp_path: Path) -> None:
    env = {**sandbox.settings(), "ECGRID_PASSWORD": "Wrong-pass-1"}
    env.pop("ECGRID_API_KEY", None)
    refused = billing("run", "--data-dir", str(tmp_path / "data"), env=env)
    assert refused.returncode == 3, refused.stderr
    assert "Wrong-pass-1" not in refused.stdout + refused.stderr
    assert "ECGRID_PASSWORD" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert sandbox.open_sessions == 0
    assert not list((tmp_path / "data").glob("lake/**/*.parquet"))
    source = tmp_path / "data/raw/_source.json"
    assert not source.exists(), "nothing of the service is in the directory"
    listed = billing("accounts", "--data-dir", str(tmp_path / "data"), env=sandbox.settings())
    assert listed.returncode == 0, listed.stderr
    assert source.exists()
