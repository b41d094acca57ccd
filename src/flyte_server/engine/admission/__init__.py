"""What may start next, and why the rest waits.

Lives here: which of the actions that are due get a place and devices (`claiming`), what can never run on this machine
(`refusing`), and the answer to "why does it not run yet" (`waiting`).  Counting is `domain/capacity.py`'s, moving an
action `engine/changes.py`'s.
"""
