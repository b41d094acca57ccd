"""Inputs and outputs of actions as messages."""

from collections.abc import Iterable, Mapping
from typing import Any

from flyteidl2.core import literals_pb2
from flyteidl2.task import common_pb2

from flyte import errors
from flyte._interface import NativeInterface
from flyte._wire import carriers, identities
from flyte._wire.carriers import Reference
from flyte.types import _engine, _framing
from flyte.types._nodes.hints import show


async def inputs(
    interface: NativeInterface,
    arguments: Mapping[str, Any],
    *,
    context: Mapping[str, str] | None = None,
    limit: int | None = None,
    carrier: carriers.Carrier | None = None,
) -> common_pb2.Inputs:
    """Arguments by name as a message, in the order of the interface.

    Args:
        interface: names and types of the inputs.
        arguments: a value for every input (see `NativeInterface.bind`).
        context: the run's custom context, which travels with the inputs.
        limit: how many bytes may stay in the message (`TaskTemplate.max_inline_io_bytes`).
        carrier: keeps large values; without one they stay in the message, and no file is written.

    Raises:
        InlineIOMaxBytesBreached: when they have more, the large ones moved (see `carriers.chosen`).
        TaskInputError: for an argument that the interface does not have.
        TypeTransformerFailedError: for a value that does not fit its type.
    """
    if unknown := arguments.keys() - interface.inputs.keys():
        raise errors.TaskInputError(_no_such("input", unknown, interface.inputs))
    message = common_pb2.Inputs()
    writing = _Writing(message, "inputs")
    for name, (hint, _) in interface.inputs.items():
        if name in arguments:
            await writing.add(name, arguments[name], hint, in_pieces=carrier is not None)
    await writing.finish(limit, carrier)
    for key, value in (context or {}).items():
        message.context.add(key=key, value=value)
    return message


async def arguments(
    interface: NativeInterface,
    inputs: common_pb2.Inputs,
    *,
    carrier: carriers.Carrier | None = None,
) -> dict[str, Any]:
    """The arguments that a message carries, by name, defaults filled in; large ones are fetched by the carrier.

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
            values[name] = await _read(literals[name], hint, f"inputs.{name}", carrier)
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
    interface: NativeInterface,
    returned: Any,
    *,
    limit: int | None = None,
    carrier: carriers.Carrier | None = None,
) -> common_pb2.Outputs:
    """What a function returned as a message of at most `limit` bytes; large values are kept by the carrier.

    Raises:
        InlineIOMaxBytesBreached: when it has more.
        RuntimeDataValidationError: for another number of values than declared.
        TypeTransformerFailedError: for a value that does not fit its type; the path is `outputs.o0…`.
    """
    message = common_pb2.Outputs()
    writing = _Writing(message, "outputs")
    for name, value in interface.split(returned).items():
        await writing.add(name, value, interface.outputs[name], in_pieces=carrier is not None)
    await writing.finish(limit, carrier)
    return message


async def named(
    interface: NativeInterface,
    outputs: common_pb2.Outputs,
    *,
    carrier: carriers.Carrier | None = None,
) -> dict[str, Any]:
    """The outputs by name, large ones fetched by the carrier.

    With a guessed interface (see `interfaces.native`) records are dataclasses made from their schema.

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
        values[name] = await _read(literals[name], hint, f"outputs.{name}", carrier)
    return values


async def returned(
    interface: NativeInterface,
    outputs: common_pb2.Outputs,
    *,
    carrier: carriers.Carrier | None = None,
) -> Any:
    """What a caller of the function gets: None, one value, a tuple or a NamedTuple; raises as `named`."""
    return interface.joined(await named(interface, outputs, carrier=carrier))


async def shown(
    hints: Mapping[str, Any], literals: Iterable[common_pb2.NamedLiteral], what: str
) -> dict[str, Any]:
    """Values by name for a reader who has not asked for their content: what lies in the store stays there.

    Args:
        hints: their types.
        literals: what is to be shown.
        what: `inputs` or `outputs`.

    Returns:
        The values; a `carriers.Reference` for each that went by reference.
    """
    values: dict[str, Any] = {}
    for named in literals:
        hint, value = hints.get(named.name, Any), named.value
        if value.HasField("offloaded_metadata"):
            kept = value.offloaded_metadata
            values[named.name] = Reference(kept.uri, kept.size_bytes, show(hint))
        else:
            values[named.name] = await _engine.to_python(value, hint, f"{what}.{named.name}")
    return values


class _Writing:
    """Fills a message with variables, then moves the large ones into the store.

    All are converted before the first is moved: nothing is sent for a call that cannot be made.
    """

    def __init__(self, message: common_pb2.Inputs | common_pb2.Outputs, what: str) -> None:
        self._message = message
        self._what = what
        self._hints: dict[str, Any] = {}
        self._literals: dict[str, literals_pb2.Literal] = {}
        self._pieces: dict[str, _framing.Pieces] = {}
        """Variables that are not in the message, because their payload need not be copied."""

    async def add(self, name: str, value: Any, hint: Any, *, in_pieces: bool) -> None:
        path = f"{self._what}.{name}"
        out = self._literals[name] = self._message.literals.add(name=name).value
        self._hints[name] = hint
        pieces = _engine.pieces(value, hint, path=path) if in_pieces else None
        if pieces is None:
            await _engine.write(value, hint, out, path=path)
        else:
            self._pieces[name] = pieces

    async def finish(self, limit: int | None, carrier: carriers.Carrier | None) -> None:
        sizes = {name: self._size(name) for name in self._literals}
        moved = carriers.chosen(sizes, limit, self._what)
        for name, pieces in self._pieces.items():
            if name not in moved:
                self._literals[name].MergeFromString(b"".join(pieces))
        if carrier is not None:
            for name in moved:
                await self._move(name, carrier)

    def _size(self, name: str) -> int:
        if name in self._pieces:
            return _framing.size(self._pieces[name])
        return carriers.serialized_size(self._literals[name])

    async def _move(self, name: str, carrier: carriers.Carrier) -> None:
        out, pieces, identity = self._literals[name], self._pieces.get(name), None
        if pieces is None:
            identity = identities.identity(out) if identities.has_identity(out) else ""
            pieces = [out.SerializeToString(deterministic=True)]
        literal_type = _engine.literal_type(self._hints[name])
        await carriers.store(pieces, out, carrier, identity=identity, literal_type=literal_type)


async def _read(
    literal: literals_pb2.Literal, hint: Any, path: str, carrier: carriers.Carrier | None
) -> Any:
    if carrier is not None and literal.HasField("offloaded_metadata"):
        content = await carriers.fetch(literal, carrier, path=path)
        return await _engine.from_buffer(content, hint, path=path)
    return await _engine.to_python(literal, hint, path)


def _no_such(what: str, names: Iterable[str], known: Iterable[str]) -> str:
    listed = ", ".join(map(repr, sorted(names)))
    return f"there is no {what} {listed}; use one of: {', '.join(known) or 'none'}"
