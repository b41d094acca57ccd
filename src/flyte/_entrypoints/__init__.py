"""Mains of processes that are not the command line: `a0` (a task) and `host` (forks tasks).

Lives here: reading a process's arguments and environment, forking, signals, exit.  Does not: what a
task does (`_runtime`), and who decides when a task runs (the control plane, in a process of its
own).
"""
