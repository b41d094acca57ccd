"""How people and programs get tokens: OAuth 2.0, without HTTP.

`desk` is the door: the token endpoint, the browser flow and the device flow, each request one transaction.  The rules
of the grants are Authlib's (`server`, `grants`); what is ours are the clients, the rows and the tokens.  `foreign`
reads tokens of an issuer outside.  Pages and requests are in `services.access.oauth`.
"""
