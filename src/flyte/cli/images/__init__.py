"""Images and what becomes of them on this machine: `flyte build`, `flyte get environment`, `flyte delete environment`.

What does not live here: how an image becomes an environment (`flyte/_venvs.py`, and the control plane).
"""
