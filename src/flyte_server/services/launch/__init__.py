"""How one attempt becomes a process, and how its end is read.

Lives here: the launch specification (command, arguments, environment) made from the stored
TaskSpec, and the verdict on what an ended process left behind.  Does not: processes.
"""
