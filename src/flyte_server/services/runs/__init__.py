"""RunService: runs are created, stopped, listed and looked at.

Lives here: what people and scripts ask about runs, and the streams that follow them.  Does not:
what a running parent asks (`services.actions`), logs and data over the data proxy.
"""
