"""Rows that say who may do what: API keys, logins, and the audit log.

What they mean is decided in `flyte_server.auth`; here they are only read and written.  No secret lies in any of
them: keys, codes and refresh tokens are stored as hashes.
"""
