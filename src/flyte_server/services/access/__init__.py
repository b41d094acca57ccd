"""Who asks, and whether they may: the one gate before every service.

The gate (ASGI) finds out who asks and says so to all behind it; what each method needs stands in one
table.  Keys, tokens and roles themselves are in `flyte_server.auth`.
"""
