"""The public face of the engine, with the official names."""

import html
import inspect
import threading
from collections.abc import Iterable, KeysView, Mapping, Sequence
from typing import Any, ClassVar, Generic, Protocol, TypeVar, runtime_checkable

from flyteidl2.core import interface_pb2, literals_pb2, types_pb2
from flyteidl2.task import common_pb2

from flyte._interface import NativeInterface
from flyte._kit import stepping
from flyte.types import _engine, _guess
from flyte.types._nodes import hints
from flyte.types._transformer import TypeTransformer, TypeTransformerFailedError

T = TypeVar("T")
Literals = (
    literals_pb2.Literal
    | literals_pb2.LiteralMap
    | common_pb2.NamedLiteral
    | common_pb2.Inputs
    | common_pb2.Outputs
    | dict[str, literals_pb2.Literal]
)


@runtime_checkable
class Renderable(Protocol):
    """Renders values as HTML for a report; put one into `Annotated[T, renderer]`."""

    def to_html(self, python_value: Any) -> str:
        """The value as HTML."""
        ...


class BuiltInTransformer(TypeTransformer[Any]):
    """The engine's own conversion of one type, as a transformer."""

    def get_literal_type(self, t: Any) -> types_pb2.LiteralType:
        return _engine.literal_type(t)

    async def to_literal(
        self, python_val: Any, python_type: Any, expected: types_pb2.LiteralType
    ) -> literals_pb2.Literal:
        return await _engine.to_literal(python_val, python_type)

    async def to_python_value(self, lv: literals_pb2.Literal, expected_python_type: Any) -> Any:
        return await _engine.to_python(lv, expected_python_type)

    def guess_python_type(self, literal_type: types_pb2.LiteralType) -> Any:
        return _guess.guess(literal_type)


class TypeEngine(Generic[T]):
    """Converts between Python values and literals, and knows the transformers of users' own types.

    Example:
        >>> literal = await TypeEngine.to_literal(3, int, TypeEngine.to_literal_type(int))
        >>> await TypeEngine.to_python_value(literal, int)
        3
    """

    lazy_import_lock: ClassVar[threading.Lock] = threading.Lock()

    @classmethod
    def register(
        cls, transformer: TypeTransformer[Any], additional_types: list[type] | None = None
    ) -> None:
        """Use `transformer` for its type, and for further types if given.

        Raises:
            ValueError: when one of the types has another transformer already.
        """
        _engine.register(transformer, *(additional_types or ()))

    @classmethod
    def register_additional_type(
        cls, transformer: TypeTransformer[T], additional_type: type[T], override: bool = False
    ) -> None:
        """Use a transformer for one more type.

        Raises:
            ValueError: when that type has another transformer already and `override` is off.
        """
        _engine.register_only(transformer, additional_type, override=override)

    @classmethod
    def register_restricted_type(cls, name: str, type: type[T]) -> None:  # noqa: A002 - official
        """Forbid a type in signatures: RestrictedTypeError."""
        _engine.restrict(name, type)

    @classmethod
    def lazy_import_transformers(cls) -> None:
        """Nothing to do: what is heavy is imported when a value needs it."""

    @classmethod
    def get_transformer(cls, python_type: Any) -> TypeTransformer[Any]:
        """The transformer of a type: the registered one, or the engine's own."""
        registered = _engine.registry.find(hints.normal(python_type))
        return registered or BuiltInTransformer(_engine.node(python_type).tag, python_type, False)

    @classmethod
    def get_available_transformers(cls) -> KeysView[Any]:
        """Types with a registered transformer (the built-in ones need none)."""
        return _engine.registry.transformers.keys()

    @classmethod
    def to_literal_type(cls, python_type: Any) -> types_pb2.LiteralType:
        """The wire's type for a hint."""
        return _engine.literal_type(python_type)

    @classmethod
    async def to_literal(
        cls, python_val: Any, python_type: Any, expected: types_pb2.LiteralType
    ) -> literals_pb2.Literal:
        """The literal of a value; raises TypeTransformerFailedError when it does not fit its type."""
        return await _engine.to_literal(python_val, python_type)

    @classmethod
    def to_literal_checks(
        cls, python_val: Any, python_type: Any, expected: types_pb2.LiteralType
    ) -> None:
        """Check that a value fits its type; raises TypeTransformerFailedError if not."""
        stepping.drive(_engine.to_literal(python_val, python_type))

    @classmethod
    async def to_python_value(cls, lv: literals_pb2.Literal, expected_python_type: Any) -> Any:
        """The value of a literal; raises TypeTransformerFailedError when it does not fit the type."""
        return await _engine.to_python(lv, expected_python_type)

    @classmethod
    async def unwrap_offloaded_literal(cls, lv: literals_pb2.Literal) -> literals_pb2.Literal:
        """The literal itself, if its value is inside.

        Raises:
            TypeTransformerFailedError: if it only says where its value is.
        """
        if lv.HasField("offloaded_metadata"):
            raise TypeTransformerFailedError(str(_guess.offloaded(lv)))
        return lv

    @classmethod
    def guess_python_type(cls, flyte_type: types_pb2.LiteralType) -> Any:
        """A hint for a wire type; records are dataclasses made from their schema."""
        return _engine.guess(flyte_type)

    @classmethod
    def json_schema(cls, python_type: Any) -> dict[str, Any]:
        """The JSON schema of a type's values, from which a console or command line builds a form.

        Of a task whose code is not at hand, take the wire's type: `json_schema(guess_python_type(literal_type))`.

        Example:
            >>> TypeEngine.json_schema(list[int])
            {'type': 'array', 'items': {'type': 'integer'}}
        """
        return _engine.schema(python_type)

    @classmethod
    def guess_python_types(
        cls, flyte_variable_list: Sequence[interface_pb2.VariableEntry]
    ) -> dict[str, Any]:
        """Hints for the variables of an interface, by name."""
        return {entry.key: _engine.guess(entry.value.type) for entry in flyte_variable_list}

    @classmethod
    async def dict_to_literal_map(
        cls, d: dict[str, Any], type_hints: dict[str, type] | None = None
    ) -> literals_pb2.LiteralMap:
        """Values as a map of literals; a value without a hint is converted by its own class."""
        hints = type_hints or {}
        result = literals_pb2.LiteralMap()
        for name, value in d.items():
            hint = hints.get(name, type(value))
            await _engine.write(value, hint, result.literals[name], path=name)
        return result

    @classmethod
    async def literal_map_to_kwargs(
        cls,
        lm: literals_pb2.LiteralMap,
        python_types: dict[str, type] | None = None,
        literal_types: dict[str, interface_pb2.Variable] | None = None,
    ) -> dict[str, Any]:
        """The values of a map of literals, by the given hints or by those guessed from the wire's types.

        Raises:
            ValueError: when neither knows a name.
        """
        hints: dict[str, Any] = {
            name: _engine.guess(variable.type) for name, variable in (literal_types or {}).items()
        }
        hints.update(python_types or {})
        if unknown := lm.literals.keys() - hints.keys():
            raise ValueError(
                f"no type is given for {', '.join(sorted(unknown))}; pass python_types"
            )
        return {
            name: await _engine.to_python(literal, hints[name], name)
            for name, literal in lm.literals.items()
        }

    @classmethod
    def named_tuple_to_variable_map(cls, t: Any) -> interface_pb2.VariableMap:
        """The fields of a NamedTuple as variables."""
        return interface_pb2.VariableMap(
            variables=[
                interface_pb2.VariableEntry(
                    key=name,
                    value=interface_pb2.Variable(type=_engine.literal_type(hint), description=name),
                )
                for name, hint in hints.fields(t).items()
            ]
        )

    @classmethod
    def to_html(cls, python_val: Any, expected_python_type: Any) -> str:
        """A value as HTML: by a `Renderable` in its annotation, its transformer, or its text."""
        for extra in getattr(expected_python_type, "__metadata__", ()):
            renderer = extra() if inspect.isclass(extra) and hasattr(extra, "to_html") else extra
            if isinstance(renderer, Renderable):
                return renderer.to_html(python_val)
        registered = _engine.registry.find(hints.normal(expected_python_type))
        if registered is not None:
            return registered.to_html(python_val, expected_python_type)
        return _engine.node(expected_python_type).to_html(python_val) or html.escape(
            str(python_val)
        )


def guess_interface(
    interface: interface_pb2.TypedInterface,
    default_inputs: Iterable[common_pb2.NamedParameter] | None = None,
) -> NativeInterface:
    """Python types for a task's interface as the wire has it; inputs with a default need no value."""
    defaults = {
        named.name: named.parameter.default
        for named in default_inputs or ()
        if named.parameter.HasField("default")
    }
    inputs: dict[str, tuple[Any, Any]] = {
        entry.key: (
            _engine.guess(entry.value.type),
            NativeInterface.has_default if entry.key in defaults else NativeInterface.no_default,
        )
        for entry in interface.inputs.variables
    }
    outputs = TypeEngine.guess_python_types(interface.outputs.variables)
    return NativeInterface.from_types(inputs, outputs, defaults)


def literal_string_repr(lm: Literals | None) -> dict[str, Any]:
    """Literals by name as plain values, for display: no class is needed to read them.

    Example: the inputs of a task that takes a dataclass give `{"point": {"x": 1, "y": 2}}`.
    """
    match lm:
        case None:
            return {}
        case literals_pb2.Literal() if lm.HasField("map"):
            literals: Mapping[str, literals_pb2.Literal] = lm.map.literals
        case literals_pb2.Literal():
            literals = {"value": lm}
        case literals_pb2.LiteralMap():
            literals = lm.literals
        case common_pb2.NamedLiteral():
            literals = {lm.name: lm.value}
        case common_pb2.Inputs() | common_pb2.Outputs():
            literals = {named.name: named.value for named in lm.literals}
        case _:
            literals = lm
    return {name: _guess.natural(literal) for name, literal in literals.items()}
