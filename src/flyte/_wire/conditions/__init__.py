"""Conditions as messages: what a task asks, and the values that answer.

Shared by the engine inside of a task and by the handles that list and answer from outside.
Which values fit which type is decided here for both.
"""
