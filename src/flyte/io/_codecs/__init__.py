"""How tables become files and come back exactly: one module per library, one per format.

What lives here: pandas frames as Arrow tables (`pandas_frames`, `pandas_dtypes`), Arrow tables as files (`parquet`,
`csv_text`, `ipc`), polars frames (`polars_frames`), what a format adds to a schema (`notes`).  All of it blocks and
knows paths and open files only.
What does not: addresses, literals, which codec is chosen (`flyte.io._tables.handlers`).
"""
