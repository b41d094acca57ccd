"""Logs of actions, as clients see them.

Lives here: following a log over lost connections, and making lines of stored records.  Does not: the loggers of tasks
(`flyte._loggers`), and who writes logs (`_entrypoints.scribe`).
"""
