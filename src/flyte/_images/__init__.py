"""From the declaration of an image to its address: builders, and how one is chosen.

What lives here: the engine that asks builders and checkers (also those of plugins).
What does not: the declaration itself (`flyte._image`), and any one registry or daemon.
"""
