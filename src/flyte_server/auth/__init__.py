"""Who may do what: API keys, tokens, roles, and how each is checked.

Here are decisions and what they stand on; requests are looked at in `services.access`, rows are in
`store.access`.  Nothing here knows a service, a message or HTTP.
"""
