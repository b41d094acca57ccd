"""The pieces of an attempt that every kind of worker shares: its code, its performance, its ending.

Lives here: what a forked child, `a0` and a replica do alike.  Does not: where the attempt runs, who
cancels it and who is told (`runner` for a process of its own, `_entrypoints.replica` for a shared one).
"""
