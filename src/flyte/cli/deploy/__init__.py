"""`flyte deploy`, and which environments a file or a folder has.

Lives here: finding and loading the user's files (`sources`, which `flyte build` uses too) and the command.  What
deploying does is `flyte._deploy`'s.
"""
