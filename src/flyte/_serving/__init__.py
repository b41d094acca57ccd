"""Apps as processes of this machine.

Lives here: finding out how an app's process finds the app again (`sources`), its parameters (`materials`), its port
(`ports`), and the process itself (`handle`).  Does not live here: what runs in that process (`_entrypoints/app`).
"""
