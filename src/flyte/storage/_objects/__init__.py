"""Objects of a store, by obstore.

`clients` keeps the connections, `whole` reads and writes objects in parallel, `parts` writes one that comes piece
by piece. Failures leave as obstore raises them; `flyte.storage._faults` explains them.
"""
