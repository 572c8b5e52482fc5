"""Everything that talks: the Prefect flows, the lake, the warehouse, exports, reports and the command line."""

import os

# Prefect reports its use to its maker unless told not to; a billing tool talks to the service it bills and to no one else.
os.environ.setdefault("DO_NOT_TRACK", "1")
