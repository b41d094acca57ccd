"""Small parts that know nothing of Flyte and could be a library of their own.

What lives here: running coroutines from blocking code, clocks, pauses, hashing, optional imports.
What does not: anything that names a task, a run, a literal or a control plane.
"""
