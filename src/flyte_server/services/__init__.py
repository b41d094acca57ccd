"""The public Flyte 2 services: decode, one call, encode.

Lives here: everything of the control plane that knows protobuf and Connect, and the two ports of
the engine that need it (launch specifications, verdicts).  Does not: decisions about actions, SQL,
processes.
"""
