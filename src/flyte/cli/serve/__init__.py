"""`flyte serve`: an app of a Python file as a process of this machine, until Ctrl-C.

Lives here: the command, and the app of `flyte serve hello`.  Does not live here: how an app is started
(`flyte._serve`).
"""
