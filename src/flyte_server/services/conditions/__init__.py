"""Conditions as the outside sees them: answers from every side, signed links with their page, and webhooks.

A condition is a row that waits; whoever answers (command line, API, link) ends in `answering`, where the engine takes
the first answer and refuses the others.  Nothing here is needed for a condition to go on waiting.
"""
