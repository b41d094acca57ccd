"""AppEnvironment: a service that stays up."""

import inspect
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar

from flyte import errors
from flyte._environment import Environment
from flyte._image import ImageRequest
from flyte._resources import Resources
from flyte._secret import SecretRequest
from flyte.app import _context, _types
from flyte.app._parameter import Parameter, parameters
from flyte.app._types import Domain, Link, Port, Scaling, Timeouts

F = TypeVar("F", bound=Callable[..., Any])

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")


@dataclass(frozen=True, eq=False)
class AppEnvironment(Environment):
    """A service: a command, or a function that listens on a port.

    What it runs is the function under `@env.server`, or else `command` followed by `args`.  The arguments that
    `Environment` does not have:

    Args:
        type: what kind of app it is, for people.
        port: where it listens.
        args: arguments of the command, or the whole command: a list, or a line as in a shell.
        command: the command: a list, or a line as in a shell.
        requires_auth: whether a deployed app wants a login; a served one is reached from this machine only.
        scaling: replicas of a deployed app.
        domain: address of a deployed app.
        links: links that are shown beside it.
        parameters: values that it is given when it starts.
        cluster_pool: where a cluster places it.
        cluster: the cluster, if there are several.
        timeouts: time limits of a deployed app.

    Raises:
        DefinitionError: when a name, a port or another argument is wrong.

    Example:
        >>> env = AppEnvironment(name="files", command="python -m http.server 8080", port=8080)
    """

    type: str | None = None
    port: int | Port = 8080
    args: list[str] | str | None = None
    command: list[str] | str | None = None
    requires_auth: bool = True
    scaling: Scaling = field(default_factory=Scaling)
    domain: Domain | None = field(default_factory=Domain)
    links: list[Link] = field(default_factory=list[Link])
    parameters: list[Parameter] = field(default_factory=list[Parameter])
    cluster_pool: str = "default"
    cluster: str | None = None
    timeouts: Timeouts = field(default_factory=Timeouts)
    _functions: dict[str, Callable[..., Any]] = field(
        default_factory=dict[str, Callable[..., Any]], init=False, repr=False
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        where = f"app {self.name!r}"
        _types.port(where, self.port)
        for name in ("args", "command"):
            _words(where, name, getattr(self, name))
        object.__setattr__(self, "parameters", parameters(where, self.parameters))
        kinds = {"scaling": Scaling, "timeouts": Timeouts}
        for name, kind in kinds.items():
            if not isinstance(getattr(self, name), kind):
                raise errors.DefinitionError(
                    f"{where}: {name} must be a flyte.app.{kind.__name__}, got {getattr(self, name)!r}"
                )
        for link in self.links:
            if not isinstance(link, Link):
                raise errors.DefinitionError(
                    f"{where}: links is a list of flyte.app.Link, got {link!r}"
                )

    def _check_name(self) -> str:
        super()._check_name()
        if not _NAME.fullmatch(self.name):
            raise errors.DefinitionError(
                f"app name {self.name!r} is not valid; it becomes part of an address, so use lower-case letters, "
                "digits and '-', as in 'my-app'"
            )
        return f"app {self.name!r}"

    def clone_with(  # noqa: PLR0913 - a word
        self,
        name: str,
        image: ImageRequest = None,
        resources: Resources | None = None,
        env_vars: dict[str, str] | None = None,
        secrets: SecretRequest | None = None,
        depends_on: list[Environment] | None = None,
        description: str | None = None,
        interruptible: bool | None = None,
        service_account: str | None = None,
        **kwargs: Any,
    ) -> Self:
        """A new app with some things changed, as `Environment.clone_with`; it runs the same functions.

        Example:
            >>> staging = env.clone_with("staging", env_vars={"STAGE": "staging"}, port=8081)
        """
        more = {"interruptible": interruptible, "service_account": service_account}
        kwargs |= {key: value for key, value in more.items() if value is not None}
        made = super().clone_with(
            name, image, resources, env_vars, secrets, depends_on, description, **kwargs
        )
        made.functions.update(self._functions)
        return made

    def get_port(self) -> Port:
        """Where it listens."""
        return _types.port(f"app {self.name!r}", self.port)

    @property
    def endpoint(self) -> str:
        """Its address: where it is served from this process or with this app, else its port on this machine.

        Example:
            >>> httpx.get(f"{env.endpoint}/health")
        """
        return _context.address(self.name) or f"http://localhost:{self.get_port().port}"

    def server(self, fn: F) -> F:
        """Have the app run a function that listens on `port` and does not return: `@env.server`.

        The function is plain or async; arguments that are named like parameters of the app get their values.

        Raises:
            DefinitionError: when the app has a command or a server already.

        Example:
            >>> @env.server
            ... async def serve() -> None:
            ...     await uvicorn.Server(uvicorn.Config(app, port=8080)).serve()
        """
        if self.command or self.args:
            raise errors.DefinitionError(
                f"app {self.name!r} has a command, so it has no use for the server {_name(fn)}; drop one of the two"
            )
        return self._keep("server", fn)

    def on_startup(self, fn: F) -> F:
        """Call a function before the server starts, in its process: `@env.on_startup`."""
        return self._keep("on_startup", fn)

    def on_shutdown(self, fn: F) -> F:
        """Call a function after the server has ended, in its process: `@env.on_shutdown`."""
        return self._keep("on_shutdown", fn)

    def _keep(self, what: str, fn: F) -> F:
        if not _is_function(fn):
            raise errors.DefinitionError(
                f"app {self.name!r}: {what} takes a function, made with def or async def, got {fn!r}"
            )
        twin = self._functions.get(what)
        if twin is not None and (twin.__module__, _name(twin)) != (fn.__module__, _name(fn)):
            raise errors.DefinitionError(
                f"app {self.name!r} has a function for {what} already: {_name(twin)}; drop one of the two"
            )
        self._functions[what] = fn
        return fn

    @property
    def functions(self) -> dict[str, Callable[..., Any]]:
        """What `server`, `on_startup` and `on_shutdown` were given, by these names."""
        return self._functions

    def function(self, what: str) -> Callable[..., Any] | None:
        """The function for `server`, `on_startup` or `on_shutdown`; None: there is none."""
        return self._functions.get(what)

    def command_line(self) -> list[str]:
        """What it runs as a process, word by word; empty: a function serves it."""
        return [
            *_words(self.name, "command", self.command),
            *_words(self.name, "args", self.args),
        ]


def _words(where: str, name: str, value: Any) -> list[str]:
    if value is None:
        return []
    if isinstance(value, str):
        try:
            return shlex.split(value)
        except ValueError as error:
            raise errors.DefinitionError(
                f"{where}: {name} cannot be read as a line of a shell: {error}; write a list of words"
            ) from error
    if isinstance(value, list | tuple) and all(isinstance(word, str) for word in value):
        return list(value)
    raise errors.DefinitionError(f"{where}: {name} is a list of texts or one text, got {value!r}")


def _name(fn: Any) -> str:
    return getattr(fn, "__qualname__", repr(fn))


def _is_function(fn: object) -> bool:
    return inspect.isfunction(fn) or inspect.ismethod(fn)
