"""Python environments that images ask for, made by `uv` on this machine: no container, no daemon, no root.

What lives here: what a recipe is (`recipe`), what uv is told (`uv`, `indexes`), how one environment is made
(`building`, `builds`), what of the SDK it needs (`sdk`), where environments are kept (`shelf`), and who makes, shares
and removes them (`keeper`).
What does not: the declaration of an image, which the client reads (`flyte/_images`), and the processes that run there.
"""
