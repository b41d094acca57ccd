"""What users implement for types of their own, and the error of a conversion that fails."""

import html
import typing
from abc import ABC, abstractmethod
from typing import Any, Generic, TypeVar

from flyteidl2.core import literals_pb2, types_pb2

from flyte import errors
from flyte.types._nodes.base import Build, Node

T = TypeVar("T")


class TypeTransformerFailedError(
    errors.RuntimeDataValidationError, TypeError, AssertionError, ValueError
):
    """A value could not be converted.

    The message names the place (`inputs.points[3].when`), what was expected there, what was found, and what to do.

    Args:
        message: what went wrong.
        path: where; empty in a transformer of one's own, which does not know it.
    """

    def __init__(self, message: str = "the value cannot be converted", path: str = "") -> None:
        super().__init__(path or "value", message)
        self.path = path
        self.message = message


TypeTransformerFailedError.__module__ = (
    "flyte.types"  # where users import it from; tracebacks say so
)


class TypeTransformer(ABC, Generic[T]):
    """Converts values of one own type to literals and back; register one with `TypeEngine.register`.

    Args:
        name: unique name; tells members of a union apart on the wire.
        t: the type.
        enable_type_assertions: whether values are checked to be instances of it.

    Example:
        >>> class RomanTransformer(TypeTransformer[Roman]):
        ...     def get_literal_type(self, t):
        ...         return types_pb2.LiteralType(simple=types_pb2.STRING)
        ...     async def to_literal(self, python_val, python_type, expected):
        ...         primitive = literals_pb2.Primitive(string_value=str(python_val))
        ...         return literals_pb2.Literal(scalar=literals_pb2.Scalar(primitive=primitive))
        ...     async def to_python_value(self, lv, expected_python_type):
        ...         return Roman(lv.scalar.primitive.string_value)
        >>> TypeEngine.register(RomanTransformer("roman", Roman))
    """

    def __init__(self, name: str, t: type[T], enable_type_assertions: bool = True) -> None:
        self._name = name
        self._type = t
        self._type_assertions = enable_type_assertions

    @property
    def name(self) -> str:
        """Its unique name."""
        return self._name

    @property
    def python_type(self) -> type[T]:
        """The type whose values it converts."""
        return self._type

    @property
    def type_assertions_enabled(self) -> bool:
        """Whether values are checked to be instances of the type."""
        return self._type_assertions

    @abstractmethod
    def get_literal_type(self, t: type[T]) -> types_pb2.LiteralType:
        """The wire's type for `t` (the type, or a subclass of it)."""

    @abstractmethod
    async def to_literal(
        self, python_val: T, python_type: type[T], expected: types_pb2.LiteralType
    ) -> literals_pb2.Literal:
        """The literal of a value; raises TypeTransformerFailedError."""

    @abstractmethod
    async def to_python_value(
        self, lv: literals_pb2.Literal, expected_python_type: type[T]
    ) -> T | None:
        """The value of a literal; raises TypeTransformerFailedError."""

    def node(self, hint: Any, build: Build) -> Node | None:
        """How the engine's own types convert themselves; None (as here): by the three methods above.

        For transformers that stand in front of a type which the engine knows well.

        Args:
            hint: the hint as it was written, `Annotated` included.
            build: gives the node of a part.
        """
        return None

    def guess_python_type(self, literal_type: types_pb2.LiteralType) -> type[T]:
        """The Python type behind a wire type that this transformer made.

        Raises:
            ValueError: when it did not make it (as here: it recognizes none).
        """
        raise ValueError(f"transformer {self._name} does not recognize this literal type")

    def assert_type(self, t: type[T], v: T) -> None:
        """Check that `v` is a value of `t`.

        Raises:
            TypeTransformerFailedError: if it is not.
        """
        if self._type_assertions and not self.isinstance_generic(v, t):
            raise TypeTransformerFailedError(
                f"expected {getattr(t, '__name__', t)}, found {type(v).__name__} {v!r:.60}"
            )

    def isinstance_generic(self, obj: Any, generic_alias: Any) -> bool:
        """Whether `obj` is an instance of a class or of the class behind a generic alias such as `Box[int]`."""
        return isinstance(obj, typing.get_origin(generic_alias) or generic_alias)

    def from_binary_idl(
        self, binary_idl_object: literals_pb2.Binary, expected_python_type: type[T]
    ) -> T | None:
        """The value of a msgpack binary, which is how a client without this type writes one.

        Raises:
            TypeTransformerFailedError: unless a subclass can read it.
        """
        raise TypeTransformerFailedError(
            f"transformer {self._name} cannot read a binary with tag {binary_idl_object.tag!r}"
        )

    def to_html(self, python_val: T, expected_python_type: type[T]) -> str:
        """The value for a report."""
        return html.escape(str(python_val))

    def schema_match(self, schema: dict[str, Any]) -> bool:
        """Whether a JSON schema describes this type: by its title, unless a subclass knows better."""
        return schema.get("title") == getattr(self._type, "__name__", None)
