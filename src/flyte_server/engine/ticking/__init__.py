"""Ticks: runs that nobody starts by hand.

`times` says when a schedule ticks, `loop` starts the run of each tick in the transaction that moves its trigger on.
"""
