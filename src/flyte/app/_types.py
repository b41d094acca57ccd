"""Small words of an app: its port, how it grows, its domain, its links, its time limits.

`Scaling`, `Domain`, `Subdomain` and `Timeouts` say what a cluster would do.  They are checked and carried; an app that
is served on this machine has one process, one address and no limits.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from flyte import errors

_HIGHEST_PORT = 65535


@dataclass(frozen=True)
class Port:
    """The port on which an app listens.

    Args:
        port: its number.
        name: the protocol, as clusters call it (`h2c` for gRPC).
    """

    port: int
    name: str | None = None

    def __post_init__(self) -> None:
        number: Any = self.port
        whole = isinstance(number, int) and not isinstance(number, bool)
        if not whole or not 1 <= number <= _HIGHEST_PORT:
            raise errors.DefinitionError(
                f"Port: port must be a number from 1 to {_HIGHEST_PORT}, got {number!r}"
            )


@dataclass(frozen=True)
class Link:
    """A link that is shown beside an app.

    Args:
        path: an address, or a path of the app if `is_relative`.
        title: what people read.
        is_relative: whether `path` begins at the app's own address.
    """

    path: str
    title: str
    is_relative: bool = False


@dataclass
class Scaling:
    """How many replicas a deployed app has; a served one has one process.

    Args:
        replicas: a fixed number, or the least and the most.
        metric: what decides between them.
        scaledown_after: seconds (or a `timedelta`) without requests after which a replica goes.

    Raises:
        DefinitionError: when the numbers make no sense.

    Example:
        >>> Scaling(replicas=(0, 3), metric=Scaling.Concurrency(10), scaledown_after=300).get_replicas()
        (0, 3)
    """

    @dataclass(frozen=True)
    class Concurrency:
        """One replica for every `val` requests that are being answered."""

        val: int

        def __post_init__(self) -> None:
            _check_positive("Scaling.Concurrency: val", self.val)

    @dataclass(frozen=True)
    class RequestRate:
        """One replica for every `val` requests per second."""

        val: int

        def __post_init__(self) -> None:
            _check_positive("Scaling.RequestRate: val", self.val)

    replicas: int | tuple[int, int] = (0, 1)
    metric: "Scaling.Concurrency | Scaling.RequestRate | None" = None
    scaledown_after: int | timedelta | None = None

    def __post_init__(self) -> None:
        bounds: Any = self.replicas
        if _is_count(bounds):
            bounds = (bounds, bounds)
        pair = isinstance(bounds, tuple) and [_is_count(each) for each in bounds] == [True, True]
        if not pair or not 0 <= bounds[0] <= bounds[1] or bounds[1] == 0:
            raise errors.DefinitionError(
                "Scaling: replicas is a number from 1, or the least and the most as in (0, 3), got "
                f"{self.replicas!r}"
            )
        kinds = (Scaling.Concurrency, Scaling.RequestRate)
        if self.metric is not None and not isinstance(self.metric, kinds):
            raise errors.DefinitionError(
                "Scaling: metric is a Scaling.Concurrency or a Scaling.RequestRate, got "
                f"{self.metric!r}"
            )
        _check_duration("Scaling: scaledown_after", self.scaledown_after)

    def get_replicas(self) -> tuple[int, int]:
        """The least and the most replicas."""
        return self.replicas if isinstance(self.replicas, tuple) else (self.replicas, self.replicas)


@dataclass(frozen=True)
class Subdomain:
    """The first part of a deployed app's address.

    Args:
        app_name: a name of its own; None: the app's.
        project_domain_suffix: whether project and domain follow as a hash or in full.
        function: makes the name of the app and of how it is deployed.
    """

    app_name: str | None = None
    project_domain_suffix: Literal["hash", "default"] = "hash"
    function: Callable[..., str] | None = None

    def __post_init__(self) -> None:
        if self.app_name is not None and self.function is not None:
            raise errors.DefinitionError(
                "Subdomain: app_name and function exclude each other; give one of them"
            )

    @classmethod
    def from_app_name(
        cls, app_name: str, project_domain_suffix: Literal["hash", "default"] = "hash"
    ) -> "Subdomain":
        """A subdomain of that name."""
        return cls(app_name=app_name, project_domain_suffix=project_domain_suffix)

    @classmethod
    def from_function(cls, function: Callable[..., str]) -> "Subdomain":
        """A subdomain that a function names when the app is deployed."""
        return cls(function=function)


@dataclass
class Domain:
    """Where a deployed app is found; a served one is found at `http://localhost:PORT`.

    Args:
        subdomain: the first part of its address.
        custom_domain: a whole name of your own.
    """

    subdomain: str | Subdomain | None = None
    custom_domain: str | None = None


@dataclass
class Timeouts:
    """Time limits of a deployed app.

    Args:
        request: seconds (or a `timedelta`) that a request may take.
    """

    request: int | timedelta | None = None

    def __post_init__(self) -> None:
        _check_duration("Timeouts: request", self.request)


def port(where: str, value: Any) -> Port:
    """What `port=` takes, as a `Port`.

    Raises:
        DefinitionError: when it is neither a number nor a `Port`.
    """
    if isinstance(value, Port):
        return value
    try:
        return Port(value)
    except errors.DefinitionError as error:
        raise errors.DefinitionError(f"{where}: {error}") from error


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _check_positive(where: str, value: Any) -> None:
    if not _is_count(value) or value < 1:
        raise errors.DefinitionError(f"{where} must be a whole number from 1, got {value!r}")


def _check_duration(where: str, value: Any) -> None:
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if seconds is None:
        return
    if not isinstance(seconds, int | float) or isinstance(seconds, bool) or seconds < 0:
        raise errors.DefinitionError(
            f"{where} must be seconds or a timedelta, not negative, got {value!r}"
        )
