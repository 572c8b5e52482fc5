"""Everything that talks: the Prefect flows, the lake, the warehouse, exports, reports and the command line."""
