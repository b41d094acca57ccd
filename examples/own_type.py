"""A type of your own: ten lines teach the SDK how its values travel.

flyte run examples/own_type.py main --names '["Rex", "Fido"]'

The literal below is plain text, so every client can show it; and `hash` makes two equal collars equal for the cache,
whatever the text looks like.
"""

from flyteidl2.core import literals_pb2, types_pb2

import flyte
from flyte.types import TypeEngine, TypeTransformer


class Collar:
    """A class that the SDK knows nothing about."""

    def __init__(self, name: str, length: float) -> None:
        self.name = name
        self.length = length


class CollarTransformer(TypeTransformer[Collar]):
    def get_literal_type(self, t: type[Collar]) -> types_pb2.LiteralType:
        return types_pb2.LiteralType(simple=types_pb2.STRING)

    async def to_literal(
        self, python_val, python_type, expected
    ):  # `async`: it may upload something
        text = f"{python_val.name} {python_val.length}"
        scalar = literals_pb2.Scalar(primitive=literals_pb2.Primitive(string_value=text))
        return literals_pb2.Literal(scalar=scalar, hash=f"collar {python_val.name.lower()}")

    async def to_python_value(self, lv, expected_python_type):
        name, length = lv.scalar.primitive.string_value.rsplit(" ", 1)
        return Collar(name, float(length))


TypeEngine.register(CollarTransformer("collar", Collar))

env = flyte.TaskEnvironment(name="own_type")


@env.task
async def cut(name: str) -> Collar:
    return Collar(name, 30.0 + len(name))


@env.task
async def label(collars: dict[str, list[Collar | None]]) -> list[str]:
    """Own types work inside lists, dictionaries, unions and records too."""
    return [f"{each.name}: {each.length} cm" for each in collars["all"] if each]


@env.task
async def main(names: list[str] = ["Rex"]) -> list[str]:  # noqa: B006 - a default input; it is never changed
    return await label({"all": [*[await cut(name) for name in names], None]})


if __name__ == "__main__":
    flyte.init()
    print(flyte.with_runcontext(mode="local").run(main, names=["Rex", "Fido"]).outputs()[0])
