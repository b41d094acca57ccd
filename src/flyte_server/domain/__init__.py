"""What the control plane decides, as pure values and functions.

Lives here: phases, records, events, `decide`, retry and capacity rules.  Does not: input or output
of any kind, SQL, protobuf, asyncio, clocks.  Standard library only; every function gets `now` from
its caller.
"""
