"""A page that a task writes about itself: tabs of HTML in one self-contained file, live while the task runs.

What lives here: `Report`, its tabs, and the functions that write into the report of the running task.
What does not: who shows it, and how the bytes get to the store.
"""
