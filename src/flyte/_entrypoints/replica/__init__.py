"""A replica: a process that stays and executes the attempts that a control plane leases to it (`ReusePolicy`).

    python -P -m flyte._entrypoints.replica --id W --pool KEY --endpoint http://127.0.0.1:8090
        [--home FLYTE_HOME] [--concurrency N]

User code has the main thread: one loop for `async` tasks (`crew`), a thread for each plain function (`threads`).  What
is said to the control plane (`conversation`) is said on the SDK's background loop, so that user code which blocks does
not look dead; what is held and not yet told is in the `ledger`.  Lives here: sharing one process between attempts.
Does not: what an attempt does (`_runtime`), and how many replicas there are (the control plane).
"""
