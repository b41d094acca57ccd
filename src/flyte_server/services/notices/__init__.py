"""Tells what a run asked to be told when it ends: by web request or by email, for a day, at least once.

`contents` makes messages of rows, `posting` and `mailing` send one message, `loop` looks what is due.  Does not live
here: the rows (`store.notices`), which are written with the run, so that nothing waits for a receiver.
"""
