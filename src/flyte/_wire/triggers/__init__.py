"""Triggers as messages.

`messages` turns the words (`flyte.Trigger`) into what is deployed with a task or alone; nothing here asks anybody.
"""
