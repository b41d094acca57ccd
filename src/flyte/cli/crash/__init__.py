"""`flyte test crash`: a task of the user's, killed at every step of a local run and taken up again.

`command` is the command line, `trials` starts the processes, `trial` is what happens in one of them, `notes` is what
they leave behind, `verdicts` compares (pure), `report` shows.  Does not live here: the journal from which a killed run
is taken up again, which is `_runtime.inprocess`.
"""
