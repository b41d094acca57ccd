"""The only modules that open connections to the control plane.

`ControlPlane` holds the generated Connect clients behind one HTTP transport and one set of
interceptors; `transfer` moves bytes to and from signed addresses.  Callers see messages of
`flyteidl2` and errors of `flyte.errors`, never an error of connectrpc.  Nothing is decided here
about runs and actions.
"""

from flyte._client.control_plane import ControlPlane

__all__ = ["ControlPlane"]
