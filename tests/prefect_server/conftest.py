"""Makes `living` importable (real Prefect servers, workers and `serve` as processes), and the webhook of tests/pull."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "pull")]
