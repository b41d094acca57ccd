"""What every executor on this machine needs: processes and how they are known, interpreters, variables, pursuit of what
an attempt has left.

Lives here: nothing that knows a kind of worker.  `executors.process` and `executors.replicas` stand on it and do not
know each other.
"""
