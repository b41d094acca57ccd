"""How many actions may run at once, why one waits, and what it has left of its budgets.

Lives here: `flyte get limit`, `flyte update limit`, `flyte delete limit`, and what `flyte get action` shows
of it.  Does not live here: the phases and errors of actions (`cli/tables.py`).
"""
