"""What `File` and `Dir` have in common: a value is a name for data that lies in a store, not the data."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from typing import Any, ClassVar, Generic, Self, TypeVar

from pydantic import BaseModel, ConfigDict, PrivateAttr, model_validator

from flyte.io import _origins, _place
from flyte.io._origins import Origin

T = TypeVar("T")

Uploader = Callable[[], Coroutine[Any, Any, tuple[str | None, str]]]
"""Copies what must be copied; gives the hash and the address."""


class Reference(BaseModel, ABC, Generic[T]):
    """An address, with what is known about what lies there.

    Equal references have equal fields; where a local file is still to be copied, its path is the address.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    KIND: ClassVar[str] = ""
    """Name of the kind in JSON schemas (`x-flyte-type`)."""

    path: str
    name: str | None = None
    format: str = ""
    hash: str | None = None
    _origin: Origin = PrivateAttr(default=Origin.NAMED)

    @model_validator(mode="before")
    @classmethod
    def _of_address(cls, data: Any) -> Any:
        """An address alone says everything that must be said."""
        return {"path": data} if isinstance(data, str) else data

    def model_post_init(self, context: Any, /) -> None:
        """The name is the last part of the address unless somebody chose another."""
        if self.name is None:
            self.name = self.default_name(self.path)

    @classmethod
    def default_name(cls, path: str) -> str:
        """The name of what lies at an address, unless somebody chose another."""
        return _place.last_part(path)

    @classmethod
    def at(cls, path: str, origin: Origin, **fields: Any) -> Self:
        """A reference of which it is known how it came to its address."""
        made = cls(path=path, **fields)
        made._origin = origin
        return made

    @property
    def lazy_uploader(self) -> Uploader | None:
        """Copies the local data into the store, which happens by itself when the value is handed on.

        None when there is nothing to copy.
        """
        return self._uploaded if self.must_settle() else None

    def must_settle(self) -> bool:
        """Whether something has to be copied before the address may travel."""
        return _origins.must_copy(self.path, self._origin)

    @abstractmethod
    async def settle(self) -> None:
        """Copy into the store what has to be copied; afterwards the address is one that others can read."""

    def moved(self, path: str, digest: str) -> None:
        """It lies in the store now; a hash that the user gave stays."""
        if self.name == self.default_name(self.path):
            self.name = self.default_name(path)
        self.path, self._origin = path, Origin.STORED
        self.hash = self.hash or digest

    async def _uploaded(self) -> tuple[str | None, str]:
        await self.settle()
        return self.hash, self.path

    @classmethod
    def schema_match(cls, incoming: dict[str, Any]) -> bool:
        """Whether a JSON schema is the one of this class."""
        return incoming.get("x-flyte-type", str(incoming.get("title")).lower()) == cls.KIND

    @property
    def shown_name(self) -> str:
        """The name, for those who need one."""
        return self.name or self.default_name(self.path)

    def _identity(self) -> tuple[str | None, ...]:
        return self.path, self.name, self.format, self.hash

    def __eq__(self, other: object) -> bool:
        # Not pydantic's comparison: how a reference came to its address makes no difference.
        if not isinstance(other, Reference) or self.KIND != other.KIND:
            return NotImplemented
        return self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash((self.KIND, self.path))

    def __repr_args__(self) -> Any:
        yield "path", self.path
        if self.name != self.default_name(self.path):
            yield "name", self.name
        for field in ("format", "hash"):
            if value := getattr(self, field):
                yield field, value

    def __reduce__(self) -> tuple[Any, ...]:
        # `File[int]` exists only where somebody wrote it; a copy in another process makes it again.
        generic = type(self).__pydantic_generic_metadata__
        origin, args = generic["origin"] or type(self), generic["args"]
        return _restored, (origin, args, self.__getstate__())


def _restored(origin: Any, args: tuple[Any, ...], state: dict[Any, Any]) -> Any:
    cls = origin[args] if args else origin
    made = cls.__new__(cls)
    made.__setstate__(state)
    return made
