"""The answer to one call, as received."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property


@dataclass(frozen=True)
class Answer:
    """One answer. `body` is what came over the wire, decompressed and otherwise untouched.

    `arguments` has no SessionID, and a mask for any other secret; `received_at` is UTC; `latency_ms` is the time of the
    last attempt alone. The answer that an error carries has its body masked, since a fault may echo a password.
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
