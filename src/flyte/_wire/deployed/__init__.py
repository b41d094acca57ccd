"""Deployed tasks: what is known of a task whose code is elsewhere, only its specification on the control plane.

Lives here: calling one from another task, changing its settings for a call, values for its guessed types, and when two
specifications have the same content.  No I/O: `flyte.remote` fetches them.
"""
