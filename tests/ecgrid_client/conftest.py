"""The replaying server as a fixture."""

from collections.abc import Iterator

import pytest

from .client_replay import Server


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()
