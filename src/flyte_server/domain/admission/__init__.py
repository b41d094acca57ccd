"""In which line an action waits, and which accelerators answer its request.

Pure values and texts.  Counting what is free is `domain/capacity.py`'s, choosing who is next `engine/admission`'s.
"""
