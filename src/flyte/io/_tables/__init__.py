"""Storing tables and reading them: who does it for which class of frames, where, and with which columns.

What lives here: encoders, decoders and their registry (`handlers`), the SDK's own ones (`files`), storing and reading
whoever asks (`tables`), a table that is stored when it must be (`reference`).
What does not: bytes of a format (`flyte.io._codecs`), literals and trees (`flyte.io._frames_types`), registration by
users (`flyte.io._frames_engine`).
"""
