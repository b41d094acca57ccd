"""Signatures as messages."""

from collections.abc import Iterable, Mapping
from typing import Any

from flyteidl2.core import interface_pb2
from flyteidl2.task import common_pb2

from flyte._interface import NativeInterface
from flyte._wire import carriers
from flyte.types import _engine, guess_interface


def typed(interface: NativeInterface) -> interface_pb2.TypedInterface:
    """The message for a signature.

    Raises:
        TypeTransformerFailedError, RestrictedTypeError: for a type that values cannot have.
    """
    return interface_pb2.TypedInterface(
        inputs=_variables(interface.get_input_types()), outputs=_variables(interface.outputs)
    )


def native(
    interface: interface_pb2.TypedInterface,
    default_inputs: Iterable[common_pb2.NamedParameter] = (),
) -> NativeInterface:
    """A signature with guessed types (records as dataclasses of their schema), for readers without the code."""
    return guess_interface(interface, default_inputs)


async def defaults(interface: NativeInterface) -> list[common_pb2.NamedParameter]:
    """Default values of the inputs that have one.

    Large ones are left out: a specification goes along with every call, and workers find them in the code.
    """
    parameters: list[common_pb2.NamedParameter] = []
    for name, (hint, default) in interface.inputs.items():
        if default is interface.no_default or default is interface.has_default:
            continue
        named = common_pb2.NamedParameter(name=name)
        named.parameter.var.type.CopyFrom(_engine.literal_type(hint))
        await _engine.write(default, hint, named.parameter.default, path=f"default of {name}")
        if named.ByteSize() <= carriers.THRESHOLD:
            parameters.append(named)
    return parameters


def _variables(hints: Mapping[str, Any]) -> interface_pb2.VariableMap:
    variables = interface_pb2.VariableMap()
    for name, hint in hints.items():
        entry = variables.variables.add(key=name)
        entry.value.type.CopyFrom(_engine.literal_type(hint))
        entry.value.description = name
    return variables
