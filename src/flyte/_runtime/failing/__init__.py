"""What a task's process does so that its end can be explained by others: stacks of its last moment, stalls of its loop.

Does not live here: what is said of an exception (`flyte._wire.failing`), and what is made of all this by the control
plane.
"""
