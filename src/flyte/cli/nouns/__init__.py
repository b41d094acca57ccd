"""What the verbs of the command line act on: a module per noun, with all that can be done to it.

`get_run`, `abort_run` and `delete_run` are the commands `flyte get run`, `flyte abort run` and
`flyte delete run`; `flyte.cli.verbs` names each of them, so that one is imported when it is used.
"""
