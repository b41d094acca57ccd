"""Who asks: the headers that say so, where they come from, and how one logs in.

`credentials` has the one protocol and those that need no login; `renewing` keeps a token fresh and gets it from a
source (`oauth`, `browser`, `device`, `command`); `choosing` picks by what `flyte.init` was told.  What is heavy, or
rarely used, is imported when somebody logs in.
"""
