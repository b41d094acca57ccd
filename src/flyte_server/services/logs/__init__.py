"""Logs of attempts: read from their files while they grow, searched, and made of rows where there is no file.

Lives here: the format of stored logs, streams of lines, the search in a process of its own, scheduling events.  Does
not: writing logs (the scribe of the SDK, and replicas).
"""
