"""What the control plane knows about cached results beyond their keys.

Lives here: whether outputs can still be used, and why an action found a result or none.  Does not:
keys (`services/wire`), and who takes which result or waits for whom (`engine/caching`).
"""
