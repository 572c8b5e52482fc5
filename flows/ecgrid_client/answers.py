"""The response to one call, as received."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property


@dataclass(frozen=True)
class Answer:
    """One response. `body` is what was received, decompressed and otherwise unchanged.

    `arguments` has no SessionID, and a mask for any other secret; `received_at` is UTC; `latency_ms` is the duration of
    the last attempt alone. A response carried by an error has its body masked, since a fault may echo a password.
    """

    operation: str
    api_version: str
    binding: str
    arguments: Mapping[str, object]
    http_status: int
    content_type: str
    body: bytes = field(repr=False)
    received_at: datetime
    latency_ms: int
    attempts: int

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the body, in hex."""
        return hashlib.sha256(self.body).hexdigest()
