"""Inputs and outputs of actions as messages."""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from flyteidl2.core import literals_pb2
from flyteidl2.task import common_pb2

from flyte import errors
from flyte._interface import NativeInterface
from flyte.types import _engine, _guess

_ORDER_MARK = _guess.ORDER.encode()


async def inputs(
    interface: NativeInterface,
    arguments: Mapping[str, Any],
    *,
    context: Mapping[str, str] | None = None,
    limit: int | None = None,
) -> common_pb2.Inputs:
    """Arguments by name as a message, in the order of the interface.

    Args:
        interface: names and types of the inputs.
        arguments: a value for every input (see `NativeInterface.bind`).
        context: the run's custom context, which travels with the inputs.
        limit: how many bytes they may have in all (`TaskTemplate.max_inline_io_bytes`).

    Raises:
        InlineIOMaxBytesBreached: when they have more.
        TaskInputError: for an argument that the interface does not have.
        TypeTransformerFailedError: for a value that does not fit its type.
    """
    if unknown := arguments.keys() - interface.inputs.keys():
        raise errors.TaskInputError(_no_such("input", unknown, interface.inputs))
    message = common_pb2.Inputs()
    for name, (hint, _) in interface.inputs.items():
        if name in arguments:
            out = message.literals.add(name=name).value
            await _engine.write(arguments[name], hint, out, path=f"inputs.{name}")
    for key, value in (context or {}).items():
        message.context.add(key=key, value=value)
    _check_size(message, limit, "inputs")
    return message


async def arguments(interface: NativeInterface, inputs: common_pb2.Inputs) -> dict[str, Any]:
    """The arguments that a message carries, by name, defaults filled in.

    Raises:
        TaskInputError: for a literal that is no input, and for an input that is missing and has no default.
        TypeTransformerFailedError: for a literal that does not fit its type.
    """
    literals = {named.name: named.value for named in inputs.literals}
    if unknown := literals.keys() - interface.inputs.keys():
        raise errors.TaskInputError(_no_such("input", unknown, interface.inputs))
    values: dict[str, Any] = {}
    for name, (hint, default) in interface.inputs.items():
        if name in literals:
            values[name] = await _engine.to_python(literals[name], hint, f"inputs.{name}")
        elif default is interface.no_default:
            raise errors.TaskInputError(
                f"input {name!r} is missing and has no default; pass a value for it"
            )
        elif default is not interface.has_default:
            values[name] = default
    return values


def context(inputs: common_pb2.Inputs) -> dict[str, str]:
    """The run's custom context that travels with the inputs."""
    return {pair.key: pair.value for pair in inputs.context}


async def outputs(
    interface: NativeInterface, returned: Any, *, limit: int | None = None
) -> common_pb2.Outputs:
    """What a function returned as a message of at most `limit` bytes.

    Raises:
        InlineIOMaxBytesBreached: when it has more.
        RuntimeDataValidationError: for another number of values than declared.
        TypeTransformerFailedError: for a value that does not fit its type; the path is `outputs.o0…`.
    """
    message = common_pb2.Outputs()
    for name, value in interface.split(returned).items():
        out = message.literals.add(name=name).value
        await _engine.write(value, interface.outputs[name], out, path=f"outputs.{name}")
    _check_size(message, limit, "outputs")
    return message


async def named(interface: NativeInterface, outputs: common_pb2.Outputs) -> dict[str, Any]:
    """The outputs by name; with a guessed interface (see `interfaces.native`) records are dicts.

    Raises:
        RuntimeDataValidationError: for an output that is missing.
        TypeTransformerFailedError: for a literal that does not fit its type.
    """
    literals = {output.name: output.value for output in outputs.literals}
    values: dict[str, Any] = {}
    for name, hint in interface.outputs.items():
        if name not in literals:
            there = ", ".join(literals) or "none"
            raise errors.RuntimeDataValidationError(
                f"outputs.{name}",
                f"the action did not write this output (it wrote {there}); run it again",
            )
        values[name] = await _engine.to_python(literals[name], hint, f"outputs.{name}")
    return values


async def returned(interface: NativeInterface, outputs: common_pb2.Outputs) -> Any:
    """What a caller of the function gets: None, one value, a tuple or a NamedTuple; raises as `named`."""
    return interface.joined(await named(interface, outputs))


def input_hash(inputs: common_pb2.Inputs, ignore: Collection[str] = ()) -> str:
    """Identity of input values: equal values give equal hashes, in every process and version of Python.

    A literal with a hash of its own (`Literal.hash`) is identified by it.  The order in which a dictionary's keys were
    written does not count, nor does the custom context.

    Args:
        inputs: the values.
        ignore: names of inputs that do not count.

    Returns:
        64 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for named_literal in sorted(inputs.literals, key=lambda literal: literal.name):
        if named_literal.name not in ignore:
            content = _identity(named_literal.value)
            digest.update(f"{named_literal.name}\0{len(content)}\0".encode())
            digest.update(content)
    return digest.hexdigest()


def _check_size(
    message: common_pb2.Inputs | common_pb2.Outputs, limit: int | None, what: str
) -> None:
    if limit is None or (size := message.ByteSize()) <= limit:
        return
    largest = max(message.literals, key=lambda literal: literal.ByteSize()).name
    raise errors.InlineIOMaxBytesBreached(
        f"{what} have {size:,} bytes, but the task's max_inline_io_bytes is {limit:,}; pass {largest!r} as a file, "
        "or raise the limit in @env.task(max_inline_io_bytes=…)"
    )


def _identity(literal: literals_pb2.Literal) -> bytes:
    if literal.hash:
        return literal.hash.encode()
    data = literal.SerializeToString(deterministic=True)
    if _ORDER_MARK not in data:
        return data
    copy = literals_pb2.Literal.FromString(data)
    _forget_order(copy)
    return copy.SerializeToString(deterministic=True)


def _forget_order(literal: literals_pb2.Literal) -> None:
    literal.metadata.pop(_guess.ORDER, None)
    match literal.WhichOneof("value"):
        case "map":
            for item in literal.map.literals.values():
                _forget_order(item)
        case "collection":
            for item in literal.collection.literals:
                _forget_order(item)
        case "scalar" if literal.scalar.HasField("union"):
            _forget_order(literal.scalar.union.value)
        case _:
            pass


def _no_such(what: str, names: Iterable[str], known: Iterable[str]) -> str:
    listed = ", ".join(map(repr, sorted(names)))
    return f"there is no {what} {listed}; use one of: {', '.join(known) or 'none'}"
