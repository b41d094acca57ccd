"""The database as a file: where it may lie, whether it is whole, and its copies.

Does not live here: what is in it, and its schema (`migrate`).
"""
