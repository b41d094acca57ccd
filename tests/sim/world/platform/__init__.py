"""What came to the world with the platform: people who answer conditions, triggers that tick, and what both promise.

`people.py` answers (late, twice, at the same time, with the wrong type) and aborts conditions; `triggers.py` deploys,
pauses and resumes triggers and makes their runs; `promises.py` judges, from the raw rows, as `checker.py` does.
"""
