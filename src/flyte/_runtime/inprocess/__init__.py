"""What a local run needs besides its engine (`_runtime.local`): the boundary that values cross, retries and time
limits, the environment variables of tasks.

Nothing here asks a control plane, and nothing of it is loaded in a task's process.
"""
