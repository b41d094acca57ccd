"""OAuth over HTTP: the token endpoint, the pages where people let programs in, and the metadata by which clients find
them.

Requests and pages only: who gets a token is decided in `flyte_server.auth.oauth`.  All of these paths are open to
everybody: what they give out is proven within them.
"""
