"""The process that writes the logs of a host's attempts, and what it writes them with.

Lives here: reading pipes, stamping what comes out of them with time and stream, hiding secrets,
bounding files (`attempt_log` is all that a writer needs).  Does not: starting attempts (`nursery`),
and showing logs to anybody (the control plane).  Standard library only.
"""
