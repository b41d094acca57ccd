"""Apps: services that stay up, such as a model behind HTTP or a dashboard.

Lives here: the words with which an app is declared, the values that it is given, and what its own code asks (`ctx`,
`get_parameter`).  Does not live here: starting it (`flyte.serve`, `flyte serve --local`).
"""

from flyte.app._connector import ConnectorEnvironment
from flyte.app._context import AppContext, ctx, get_parameter
from flyte.app._environment import AppEnvironment
from flyte.app._parameter import Parameter
from flyte.app._types import Domain, Link, Port, Scaling, Subdomain, Timeouts
from flyte.app._values import AppEndpoint, ArtifactValue, RunOutput

__all__ = [
    "AppContext",
    "AppEndpoint",
    "AppEnvironment",
    "ArtifactValue",
    "ConnectorEnvironment",
    "Domain",
    "Link",
    "Parameter",
    "Port",
    "RunOutput",
    "Scaling",
    "Subdomain",
    "Timeouts",
    "ctx",
    "get_parameter",
]
