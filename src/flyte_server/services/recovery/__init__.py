"""Runs that recover an earlier one: what the request means, and the plan as clients read it.

What is reused is decided in `domain.recovery` and carried out in `engine.recovery`; it is asked for by CreateRun
(`sources`) and shown by our own RecoveryService (`services.own.recovery`, which encodes with `plans`).
"""
