"""The process of an app that is served on this machine.

Lives here: loading the app, its functions around the server, and the end of it all.  Does not live here: who starts the
process and waits for it (`_serving`).
"""
