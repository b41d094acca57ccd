"""Handles of what stands behind runs: projects, secrets, settings.

They are kept under names until somebody changes them; a run that goes on does not hear of it.
"""
