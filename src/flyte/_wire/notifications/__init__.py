"""Notifications as the wire has them.

Lives here: the words of `flyte.notify` as rules in the settings of a run.  Does not live here: the words themselves,
and the sending, which the control plane does.
"""
