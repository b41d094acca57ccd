"""Schedules and the triggers that have them: when a tick is due, which of the missed ones are made up for.

Pure.  What a cron expression means is asked of a `Times`, which `engine/ticking/times.py` implements.
"""
