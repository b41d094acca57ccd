"""Moves actions.  The only writer of an action's phase is `engine.changes`, by
`domain.transitions.decide`.

Lives here: accepting work, scheduling, reconciling, waking watchers; the ports that executors and
services fill. Does not: SQL (store), protobuf (services), processes (executors).  Rows are the
truth; the bus only says "look now".
"""
