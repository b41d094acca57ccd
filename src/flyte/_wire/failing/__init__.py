"""What a failure is made of on its way: its code, its text of a fixed shape, its traceback.

Lives here: `codes` (classes and words), `messages` (sentence, evidence, next step), `tracebacks` (the user's frames).
Does not: the protocol's messages that carry them (`flyte._wire.failures`).
"""
