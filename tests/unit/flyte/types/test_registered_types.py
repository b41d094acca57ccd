"""Types with a transformer of the user's own: by themselves, in containers, in records, in unions."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest
from flyteidl2.core import interface_pb2, literals_pb2, types_pb2

from flyte import errors
from flyte._kit.aio import drive
from flyte.types import TypeEngine, TypeTransformer, TypeTransformerFailedError, _engine


class Roman:
    def __init__(self, text: str) -> None:
        self.text = text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Roman) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)


class RomanTransformer(TypeTransformer[Roman]):
    def get_literal_type(self, t: Any) -> types_pb2.LiteralType:
        return types_pb2.LiteralType(
            simple=types_pb2.STRING, structure=types_pb2.TypeStructure(tag="roman")
        )

    async def to_literal(
        self, python_val: Roman, python_type: Any, expected: Any
    ) -> literals_pb2.Literal:
        if not python_val.text:
            raise TypeTransformerFailedError("there is no Roman zero")
        primitive = literals_pb2.Primitive(string_value=python_val.text)
        return literals_pb2.Literal(scalar=literals_pb2.Scalar(primitive=primitive))

    async def to_python_value(self, lv: literals_pb2.Literal, expected_python_type: Any) -> Roman:
        return Roman(lv.scalar.primitive.string_value)

    def guess_python_type(self, literal_type: types_pb2.LiteralType) -> Any:
        if literal_type.structure.tag == "roman":
            return Roman
        raise ValueError("not mine")


@pytest.fixture
def transformer() -> Iterator[RomanTransformer]:
    transformer = RomanTransformer("roman", Roman)
    before = dict(_engine.registry.transformers)
    TypeEngine.register(transformer)
    yield transformer
    _engine.registry.transformers.clear()
    _engine.registry.transformers.update(before)
    _engine.registry.restricted.clear()
    _engine._forget()


@dataclasses.dataclass
class Clock:
    hour: Roman
    others: list[Roman | str]


def travelled(value: Any, hint: Any) -> Any:
    return drive(_engine.to_python(drive(_engine.to_literal(value, hint)), hint))


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (Roman("IV"), Roman),
        ([Roman("IV")], list[Roman]),
        ({"a": Roman("V")}, dict[str, Roman]),
        (Roman("IV"), Roman | str | None),
        ("IV", Roman | str | None),
        (Clock(Roman("X"), [Roman("I"), "I"]), Clock),
    ],
)
def test_it_is_used_everywhere(transformer: RomanTransformer, value: Any, hint: Any) -> None:
    assert travelled(value, hint) == value


def test_its_complaints_have_a_place(transformer: RomanTransformer) -> None:
    with pytest.raises(
        TypeTransformerFailedError, match=r"outputs\.o0\[1\]: .*there is no Roman zero"
    ):
        drive(_engine.to_literal([Roman("I"), Roman("")], list[Roman], "outputs.o0"))
    with pytest.raises(TypeTransformerFailedError, match="expected Roman, found str"):
        drive(_engine.to_literal("I", Roman))


def test_a_subclass_uses_the_transformer_of_its_base(transformer: RomanTransformer) -> None:
    class Late(Roman):
        pass

    assert travelled(Late("I"), Late) == Roman("I")
    assert TypeEngine.get_transformer(Late) is transformer


def test_a_type_has_one_transformer(transformer: RomanTransformer) -> None:
    TypeEngine.register(RomanTransformer("roman", Roman))  # the same name: a cell that is run again
    with pytest.raises(ValueError, match="Roman has the transformer 'roman' already"):
        TypeEngine.register(RomanTransformer("other", Roman))
    TypeEngine.register_additional_type(RomanTransformer("other", Roman), Roman, override=True)
    assert TypeEngine.get_transformer(Roman).name == "other"


def test_it_recognizes_its_wire_type(transformer: RomanTransformer) -> None:
    assert TypeEngine.guess_python_type(TypeEngine.to_literal_type(Roman)) is Roman
    assert TypeEngine.guess_python_type(TypeEngine.to_literal_type(str)) is str


def test_a_restricted_type_may_not_be_used(transformer: RomanTransformer) -> None:
    TypeEngine.register_restricted_type("clock", Clock)
    with pytest.raises(errors.RestrictedTypeError, match="Clock"):
        TypeEngine.to_literal_type(Clock)


async def test_the_public_engine_converts_maps_of_literals() -> None:
    literals = await TypeEngine.dict_to_literal_map({"a": 1, "b": [1.5]}, {"b": list[float]})

    assert await TypeEngine.literal_map_to_kwargs(literals, {"a": int, "b": list[float]}) == {
        "a": 1,
        "b": [1.5],
    }
    known = {
        name: interface_pb2.Variable(type=TypeEngine.to_literal_type(hint))
        for name, hint in {"a": int, "b": list[float]}.items()
    }
    assert await TypeEngine.literal_map_to_kwargs(literals, literal_types=known) == {
        "a": 1,
        "b": [1.5],
    }
    with pytest.raises(ValueError, match="no type is given for a"):
        await TypeEngine.literal_map_to_kwargs(literals, {"b": list[float]})


async def test_the_built_in_types_have_a_transformer_too() -> None:
    transformer = TypeEngine.get_transformer(int)

    literal = await transformer.to_literal(3, int, transformer.get_literal_type(int))
    assert (transformer.name, await transformer.to_python_value(literal, int)) == ("int", 3)
    TypeEngine.to_literal_checks(3, int, transformer.get_literal_type(int))
    assert TypeEngine.to_html("<b>", str) == "&lt;b&gt;"
