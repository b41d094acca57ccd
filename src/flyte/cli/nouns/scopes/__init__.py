"""Commands about what holds for a whole scope: projects, secrets and their keys, settings.

A scope is the organisation, a project, a domain, or a project in a domain.
"""
