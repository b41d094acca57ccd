"""What a `File` gives while it is open: streams for coroutines and for blocking code, and what they read from.

What lives here: modes, compression, text, checks of content, pieces of a file on another machine.
What does not: where files lie (`_place`), and how bytes are moved (`flyte.storage`).
"""
