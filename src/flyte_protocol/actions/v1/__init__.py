"""Messages of our own beside the public protocol.

Generated from `proto/` by `scripts/protocol.py`; both the SDK and the control plane may import it.  No code lives here.
"""
