"""Debugging: `flyte debug RUN ACTION`, and pdb at the raising line.

What does not live here: how an action is fetched and run once more (`flyte/_debug.py`).
"""
