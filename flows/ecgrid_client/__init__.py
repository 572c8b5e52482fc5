"""The ECGridOS client: three API versions, four bindings, typed errors; responses as records and Arrow tables.

Start at `client`; `errors` has the tree of errors; `decode` and `datasets` read responses without a network.
"""

from ecgrid_client import datasets, decode, errors
from ecgrid_client.answers import Answer
from ecgrid_client.client import ECGridClient, Limiter, RetryPolicy
from ecgrid_client.endpoints import VERSIONS, Credentials, Endpoints
from ecgrid_client.operations import BINDINGS, Operation, Service, own_service

__all__ = [
    "BINDINGS",
    "VERSIONS",
    "Answer",
    "Credentials",
    "ECGridClient",
    "Endpoints",
    "Limiter",
    "Operation",
    "RetryPolicy",
    "Service",
    "datasets",
    "decode",
    "errors",
    "own_service",
]
