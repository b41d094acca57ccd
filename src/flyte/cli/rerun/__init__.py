"""`flyte rerun`: an earlier run again, with other inputs, other code, or going on from what succeeded in it.

`command` is the command itself, `inputs` reads the values that take the place of earlier ones, `plans` shows what a
recovery would do.
"""
