"""Reusable environments: attempts that go to processes which stay.

A *replica* is a process of the task's interpreter that takes one attempt after the other, up to a number at once.
Replicas with the same environment and code form a *pool*, which grows while attempts wait and shrinks when it idles.

Lives here: which replica takes an attempt, when replicas start and end, and what a dead one costs.  How the protocol
looks on the wire is `services/workers.py`; what a replica does with an attempt is `flyte/_entrypoints/replica`.
"""
