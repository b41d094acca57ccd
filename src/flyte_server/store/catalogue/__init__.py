"""Rows of what is kept under a name until somebody asks for it: projects, deployed tasks, specifications, secrets.

Each module is one table with its statements in `store/sql`.
"""
