"""Pure transforms: a value in, a value out.

`money` owns decimals, `period` months; `model` holds the frozen records that the client decodes,
`schemas` the Arrow schema of every feed, and one module per feed flattens records into Arrow.
Nothing here opens a file, a socket or a database.
"""
