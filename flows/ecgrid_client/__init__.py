"""The ECGridOS client: three versions of the API, four bindings, typed errors, records and Arrow tables out of answers.

Start at `client`; `errors` draws the tree of what can go wrong; `decode` and `datasets` read answers without a network.
"""

from ecgrid_client import datasets, decode, errors
from ecgrid_client.answers import Answer
from ecgrid_client.client import ECGridClient, Governor, RetryPolicy
from ecgrid_client.endpoints import VERSIONS, Credentials, Endpoints
from ecgrid_client.operations import BINDINGS, Operation, Service, own_service

__all__ = [
    "BINDINGS",
    "VERSIONS",
    "Answer",
    "Credentials",
    "ECGridClient",
    "Endpoints",
    "Governor",
    "Operation",
    "RetryPolicy",
    "Service",
    "datasets",
    "decode",
    "errors",
    "own_service",
]
