"""ConnectorEnvironment: an app that speaks gRPC for a kind of tasks."""

from dataclasses import dataclass

from flyte.app._environment import AppEnvironment
from flyte.app._types import Port

_GRPC = Port(8080, name="h2c")


@dataclass(frozen=True, eq=False)
class ConnectorEnvironment(AppEnvironment):
    """An app that runs tasks of other systems on behalf of a control plane, over gRPC.

    It is an `AppEnvironment` with another type and port; give it the command of the connector.

    Example:
        >>> env = ConnectorEnvironment(name="spark-connector", command="python -m connector")
    """

    type: str = "connector"  # pyright: ignore[reportIncompatibleVariableOverride] - narrower, and frozen
    port: int | Port = _GRPC
