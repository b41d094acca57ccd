"""HTTP below the services: who may connect, how large a message may be, signed links.

Lives here: ASGI applications and what the Connect library is given to read and write bytes with.
Does not: methods.
"""
