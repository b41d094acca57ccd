"""Cache: when an earlier result of a task is used again.

A result is found again when the task's name, its interface, its version and its inputs are the
same.  The version is yours (`version_override`), or made by policies; the usual one hashes the body
of the function.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal, Protocol, get_args, runtime_checkable

from flyte import errors
from flyte._kit import meaning
from flyte._policies import duration

CacheBehavior = Literal["auto", "override", "disable"]
"""Earlier results of the same version; a version of your own, or always a new result; no results kept."""


@dataclass(frozen=True, slots=True)
class VersionParameters:
    """What a policy may look at."""

    func: Callable[..., Any] | None
    image: Any = None
    """The task's `flyte.Image`, or the name of one."""


@runtime_checkable
class CachePolicy(Protocol):
    """A rule that makes a cache version.

    Example:
        >>> class Monthly:
        ...     def get_version(self, salt: str, params: VersionParameters) -> str:
        ...         return f"{salt}{month()}"
        >>> flyte.Cache("auto", policies=Monthly())
    """

    def get_version(self, salt: str, params: VersionParameters) -> str:
        """A text that changes when earlier results are no longer good."""
        ...


@dataclass(frozen=True, slots=True)
class FunctionBodyPolicy:
    """The version is a hash of the function: not of comments, layout, docstrings or decorators.

    It is the same in every version of Python.  Functions that the task's function calls do not count: change the salt
    when they give other results.
    """

    def get_version(self, salt: str, params: VersionParameters) -> str:
        """Hash of salt and function.

        Raises:
            DefinitionError: when there is no function, or its source is not at hand (typed into an interpreter).
        """
        return hashlib.sha256(f"{salt}\0{_body(params)}".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class CacheVersion:
    """A version, and what it is made of."""

    text: str
    parts: Mapping[str, str]
    """Hash of each part by its name: `version`, or `code`, `salt` and `policy.<name>`.  They explain to people why a
    version is another one, and take no part in any key."""


@dataclass(frozen=True, slots=True)
class Cache:
    """Caching of a task's results.

    Args:
        behavior: `auto` uses earlier results; `override` with a `version_override` does so by that
            version, without one it always executes and replaces the result that is kept; `disable` keeps
            and uses nothing.
        version_override: a version of your own instead of one made by policies.
        serialize: of several equal calls at the same time only one runs, the others wait for its
            result.
        ignored_inputs: names of inputs that do not matter for finding a result.
        salt: goes into the version; change it to forget all results.
        policies: rules that make the version; the default is `FunctionBodyPolicy`.
        max_age: how old a result may be, in seconds or as a `timedelta`; None: any age.

    Example:
        >>> @env.task(cache=flyte.Cache("auto", ignored_inputs="verbose", max_age=3600))
        ... async def train(rate: float, verbose: bool = False) -> float: ...
    """

    behavior: CacheBehavior
    version_override: str | None = None
    serialize: bool = False
    ignored_inputs: tuple[str, ...] | str = field(default_factory=tuple)
    salt: str = ""
    policies: list[CachePolicy] | tuple[CachePolicy, ...] | CachePolicy | None = None
    max_age: timedelta | int | None = None

    def __post_init__(self) -> None:
        if self.behavior not in get_args(CacheBehavior):
            raise errors.DefinitionError(
                f"cache behavior must be one of {', '.join(get_args(CacheBehavior))}, got "
                f"{self.behavior!r}"
            )
        if self.version_override == "":
            raise errors.DefinitionError(
                "Cache: version_override is empty; leave it out to have the version made from the "
                "function"
            )
        if self.max_age is not None:
            object.__setattr__(self, "max_age", duration("Cache: max_age", self.max_age))
        ignored: Any = self.ignored_inputs
        ignored = (ignored,) if isinstance(ignored, str) else tuple(ignored)
        object.__setattr__(self, "ignored_inputs", ignored)
        object.__setattr__(self, "policies", _policies(self.policies))

    def is_enabled(self) -> bool:
        """Whether results are kept."""
        return self.behavior != "disable"

    def get_ignored_inputs(self) -> tuple[str, ...]:
        """Names of the inputs that do not matter."""
        ignored = self.ignored_inputs
        return (ignored,) if isinstance(ignored, str) else ignored

    def executes_always(self) -> bool:
        """Whether an earlier result is replaced instead of used."""
        return self.behavior == "override" and self.version_override is None

    def get_version(self, params: VersionParameters | None = None) -> str:
        """The version; empty when nothing is cached.

        Args:
            params: what policies look at; needed when there is no `version_override`.

        Raises:
            DefinitionError: when the version is to be made of a function and there is none, or none with a source;
                and whatever a policy of your own raises.
        """
        return self.version(params).text

    def version(self, params: VersionParameters | None = None) -> CacheVersion:
        """The version and its parts; raises as `get_version`."""
        if not self.is_enabled():
            return CacheVersion("", {})
        if self.version_override is not None:
            return CacheVersion(self.version_override, {"version": _short(self.version_override)})
        if params is None:
            raise errors.DefinitionError(
                "Cache: a version cannot be made without a function; set version_override"
            )
        policies = _policies(self.policies)
        versions = [_checked(policy, policy.get_version(self.salt, params)) for policy in policies]
        text = versions[0]
        if len(versions) > 1:
            text = hashlib.sha256("\0".join(versions).encode()).hexdigest()
        parts = dict(_parts(zip(policies, versions, strict=True), params))
        return CacheVersion(text, {**parts, "salt": _short(self.salt)})


CacheRequest = CacheBehavior | Cache
"""What `cache` takes: a behavior, or a `Cache`."""


def cache(request: CacheRequest) -> Cache:
    """The `Cache` that a `CacheRequest` asks for."""
    return request if isinstance(request, Cache) else Cache(request)


def _policies(given: Any) -> tuple[CachePolicy, ...]:
    several: Iterable[Any] = given if isinstance(given, list | tuple) else (given,)
    policies = tuple(policy for policy in several if policy is not None)
    for policy in policies:
        if not isinstance(policy, CachePolicy):
            raise errors.DefinitionError(
                f"Cache: a policy needs a method get_version(salt, params), got {policy!r}"
            )
    return policies or (FunctionBodyPolicy(),)


def _checked(policy: CachePolicy, version: Any) -> str:
    if not isinstance(version, str):
        raise errors.DefinitionError(
            f"Cache: {type(policy).__name__}.get_version must return a string, got {version!r}"
        )
    return version


def _parts(
    made: Iterable[tuple[CachePolicy, str]], params: VersionParameters
) -> Iterator[tuple[str, str]]:
    for policy, version in made:
        if isinstance(policy, FunctionBodyPolicy):
            yield "code", _short(_body(params))
        else:
            yield f"policy.{type(policy).__name__}", _short(version)


def _body(params: VersionParameters) -> str:
    if params.func is None:
        raise errors.DefinitionError(
            "Cache: a task without a Python function has no code to make a version of; set version_override"
        )
    try:
        return meaning.of_function(params.func)
    except meaning.NoSourceError as error:
        raise errors.DefinitionError(
            f"Cache: {error}; put the task into a file, or set version_override"
        ) from error


def _short(text: str) -> str:
    """Enough of a hash to tell two parts apart, and nothing of what they say."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]
