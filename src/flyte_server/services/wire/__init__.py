"""Messages of flyteidl2 to the values of the domain, and back.

Lives here: pure translation, and the refusal of what cannot be translated.  Does not: calls of the
engine or the store.
"""
