"""`flyte run`: a user's file becomes commands, its inputs become options, a run becomes progress and an outcome.

`script` imports the file, `params` and `values` read the inputs, `command` is the command itself, `launch` starts the
task, `following` shows the run until it ends, `usercode` shows errors of the user's code without our frames.
"""
