"""Cached results: what identifies them, what the cache decided, and what they refer to.

Pure functions of messages.  Does not live here: when values count as equal (`_wire.identities`), and
where results are kept (`_runtime.caching`, or a control plane).
"""
