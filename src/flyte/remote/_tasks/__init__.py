"""Handles of deployed tasks: found by name and version, looked at, called from code and from other tasks.

Nothing is asked of the control plane before a handle is used: `Task.get` gives a `LazyEntity`, which fetches the
`TaskDetails` when it is called.
"""
