"""Everything that talks: the Prefect flows, the lake, the warehouse, exports, reports and the command line."""

import os

# Prefect reports its use to its maker unless told not to; this project talks to the service it bills, to no one else.
os.environ.setdefault("DO_NOT_TRACK", "1")
