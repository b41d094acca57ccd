"""The cache of local runs: results in files, and turns between equal calls.

The decisions are those of a control plane.  Does not live here: keys and their explanation
(`_wire.caching`).
"""
