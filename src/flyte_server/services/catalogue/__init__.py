"""Services of what is kept under a name until somebody asks for it: projects, deployed tasks, secrets.

What runs is not here (`services.runs`, `services.actions`).
"""
