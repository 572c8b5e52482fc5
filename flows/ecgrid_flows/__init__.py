"""The pipeline: Prefect flows, the lake, the warehouse, exports, reports and the command line."""

import importlib
import os
import warnings
from types import ModuleType

# Prefect sends usage statistics to its vendor by default; this project calls only the service that it bills.
os.environ.setdefault("DO_NOT_TRACK", "1")

#: Modules that notebooks imported from this package up to 0.1; importable here until 0.3.
_MOVED = {
    "charts": "ecgrid_flows.reporting.charts",
    "frames": "ecgrid_flows.reporting.frames",
    "page": "ecgrid_flows.reporting.sections",
    "what_if": "ecgrid_flows.rating.what_if",
}


def __getattr__(name: str) -> ModuleType:
    """A module under its earlier name, with a DeprecationWarning."""
    if name not in _MOVED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    warnings.warn(f"ecgrid_flows.{name} moved: import {_MOVED[name]}", DeprecationWarning, stacklevel=2)
    return importlib.import_module(_MOVED[name])
