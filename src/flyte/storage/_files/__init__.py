"""Objects as open files, local ones and those of stores.

`readers` and `writers` are for coroutines, `sync_readers` and `sync_writers` for blocking code. Who reads on and on
is fetched ahead of; what is written appears when it is closed, or not at all.
"""
