"""Attempts as processes of this machine, without containers.

Lives here: starting hosts (processes that fork the attempts' processes), speaking with them,
finding them again after a restart of the control plane.  Does not: what happens inside a host; that
is a program of the SDK which this package starts by its name and meets only in messages, one JSON
object per line.
"""
