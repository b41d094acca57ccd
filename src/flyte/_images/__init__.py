"""From the declaration of an image to its address: builders, and how one is chosen.

What lives here: what builders and checkers are (`_protocols`), how they are found by name (`_builders`), when one is
asked (`_ensure`), and what is remembered of the answer.
What does not: the declaration itself (`flyte._image`), and any one registry or daemon.
"""
