"""Cache: when an earlier result of a task is used again.

A result is found again when the task's name, its interface, its version and its inputs are the
same.  The version is yours (`version_override`), or made by policies; the usual one hashes the body
of the function.
"""

import ast
import hashlib
import inspect
import textwrap
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from types import CodeType
from typing import Any, Literal, Protocol, get_args, runtime_checkable

from flyte import errors
from flyte._policies import duration

CacheBehavior = Literal["auto", "override", "disable"]
"""Use earlier results; make new ones and keep them; neither."""


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
    """The version is a hash of the function: not of comments, layout, docstring or decorators."""

    def get_version(self, salt: str, params: VersionParameters) -> str:
        """Hash of salt and function; without a function, of the salt alone."""
        body = "" if params.func is None else _meaning(inspect.unwrap(params.func))
        return hashlib.sha256(f"{salt}\0{body}".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Cache:
    """Caching of a task's results.

    Args:
        behavior: `auto` uses earlier results, `override` makes new ones and keeps them, `disable`
            does neither.
        version_override: a version of your own instead of one made by policies.
        serialize: of several equal calls at the same time only one runs, the others wait for its
            result.
        ignored_inputs: inputs that do not matter for finding a result.
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

    def get_version(self, params: VersionParameters | None = None) -> str:
        """The version; empty when nothing is cached.

        Args:
            params: what policies look at; needed when there is no `version_override`.

        Raises:
            DefinitionError: when the version is to be made of a function and none is given.
        """
        if not self.is_enabled():
            return ""
        if self.version_override is not None:
            return self.version_override
        if params is None:
            raise errors.DefinitionError(
                "Cache: a version cannot be made without a function; set version_override"
            )
        versions = [policy.get_version(self.salt, params) for policy in _policies(self.policies)]
        if len(versions) == 1:
            return versions[0]
        return hashlib.sha256("\0".join(versions).encode()).hexdigest()


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


def _meaning(func: Callable[..., Any]) -> str:
    """A text that is the same for functions that do the same in the same way."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(func))).body[0]
    except (OSError, TypeError, SyntaxError):  # no source, or not a statement of its own (a lambda)
        return _bytecode(func.__code__) if inspect.isfunction(func) else repr(func)
    if not isinstance(tree, ast.FunctionDef | ast.AsyncFunctionDef):
        return ast.dump(tree)
    tree.decorator_list = []
    if ast.get_docstring(tree, clean=False) is not None:
        tree.body = tree.body[1:]
    return ast.dump(tree)


def _bytecode(code: CodeType) -> str:
    constants = [_bytecode(c) if isinstance(c, CodeType) else _stable(c) for c in code.co_consts]
    return repr((code.co_code.hex(), code.co_names, code.co_varnames, constants))


def _stable(constant: Any) -> str:
    # The order of a set's text differs from process to process.
    return repr(sorted(map(repr, constant))) if isinstance(constant, frozenset) else repr(constant)
