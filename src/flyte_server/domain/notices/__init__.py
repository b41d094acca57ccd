"""What is told when a run ends: the places in texts, and what stands there.

Pure rules; `services.notices` sends.
Does not live here: which run tells what (rows, written with the run), and how often it is tried.
"""
