"""The control plane: what `flyte start server` runs on a laptop and what runs in a cluster.

Lives here: everything that accepts, keeps, schedules and reports actions.  Does not: user code, Python types, the
SDK (`flyte` is never imported).  The two meet in the public Flyte 2 protocol only.
"""
