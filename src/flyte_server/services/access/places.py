"""Which projects and runs a request is about: the identifiers in it, by the fields that have them."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from flyteidl2.common import identifier_pb2
from flyteidl2.secret import definition_pb2 as secret_pb2
from flyteidl2.task import task_definition_pb2
from google.protobuf.message import DecodeError, Message

from flyte_server.blobs import LocalBlobs
from flyte_server.domain.errors import Conflict, Invalid
from flyte_server.services import links

_REMEMBERED = 1024


class Place(NamedTuple):
    """Something that belongs to a project.  A tuple: two are made for each action that is enqueued."""

    project: str
    """Empty: to none, or to all of them."""
    domain: str = ""
    run: str = ""
    name: str = ""
    """Of an action in the run, or of whatever else it is."""

    def __str__(self) -> str:
        return "/".join(filter(None, (self.project, self.domain, self.run, self.name)))


Locate = Callable[[str], Place]
"""Whose an address of data is."""
Find = Callable[[Any, Locate], Iterable[Place]]
"""The places of a request."""


def at(*paths: str) -> Find:
    """Identifiers in fields of the request; those that are not set do not count.

    Example:
        at("run_id", "action.action_id")
    """
    ways = [path.split(".") for path in paths]

    def find(request: Message, _: Locate) -> list[Place]:
        followed = [_follow(request, way) for way in ways]
        return [of(found) for found in followed if found is not None]

    return find


def elsewhere(*paths: str) -> Find:
    """Identifiers that may lead into another project; without one they stay in that of the request."""
    find_all = at(*paths)

    def find(request: Message, locate: Locate) -> Iterator[Place]:
        return (place for place in find_all(request, locate) if place.project)

    return find


def each(field: str, path: str) -> Find:
    """The identifiers in a repeated field; an empty path: its entries are identifiers."""
    way = path.split(".") if path else []

    def find(request: Message, _: Locate) -> Iterator[Place]:
        seen: set[Place] = set()
        for entry in getattr(request, field):
            found = _follow(entry, way)
            place = Place("") if found is None else of(found)
            if place not in seen:
                seen.add(place)
                yield place

    return find


def packed(field: str, kind: type[Message], *paths: str, data: Find | None = None) -> Find:
    """The identifiers in a repeated field whose entries are serialized messages.

    Args:
        data: finds addresses in an entry.
    """
    ways = [path.split(".") for path in paths]

    def find(request: Message, locate: Locate) -> Iterator[Place]:
        seen: set[Place] = set()
        for number, body in enumerate(getattr(request, field)):
            try:
                message = kind.FromString(body)
            except DecodeError as error:
                raise Invalid(
                    f"{field}[{number}] is no {kind.DESCRIPTOR.name} ({error}); nothing was done."
                ) from None
            found = [of(entry) for way in ways if (entry := _follow(message, way)) is not None]
            also = () if data is None else data(message, locate)
            for place in (*(found or (Place(""),)), *also):
                if place not in seen:
                    seen.add(place)
                    yield place

    return find


def words(project: str, domain: str = "", name: str = "") -> Find:
    """Fields of the request that are plain text; dots lead into messages.

    Example:
        words("project", "domain")
    """
    ways = [way.split(".") if way else [] for way in (project, domain, name)]

    def find(request: Message, _: Locate) -> Iterator[Place]:
        texts = [_text(request, way) for way in ways]
        yield Place(texts[0], texts[1], name=texts[2])

    return find


def said(name: str = "") -> Find:
    """What an own service is told: `project`, `domain`, `run` and `action`.

    Args:
        name: another field that says what the call is about.
    """

    def find(request: Message, _: Locate) -> Iterator[Place]:
        project, domain, run, action = (
            _field(request, field) for field in ("project", "domain", "run", name or "action")
        )
        yield Place(project, domain, run, action)

    return find


def stored(*paths: str, below: int = 0) -> Find:
    """Addresses of data in text fields of the request; what lies outside of the data directory is of no project.

    Args:
        below: so many of their last names do not count, unless they lead out again; then one look at the disk is enough
            for all children of a run.

    Example:
        stored("offloaded_input_data.uri", "run_spec.run_base_dir")
    """
    ways = [path.split(".") for path in paths]

    def find(request: Message, locate: Locate) -> Iterator[Place]:
        for way in ways:
            uri = _text(request, way)
            if uri and (place := _owner(locate, _folder(uri, below))) is not None:
                yield place

    return find


def inside(field: str, *finds: Find) -> Find:
    """What these ways find in a message, or in each of several, in a field of the request."""
    find_all = both(*finds)

    def find(request: Message, locate: Locate) -> Iterator[Place]:
        value = getattr(request, field)
        entries = [value] if isinstance(value, Message) else value
        for entry in entries:
            yield from find_all(entry, locate)

    return find


def everywhere(name: str) -> Find:
    """What an own service is told concerns all projects, whatever else stands in the request.

    Args:
        name: the field that says what the call is about.
    """

    def find(request: Message, _: Locate) -> tuple[Place]:
        return (Place("", name=_field(request, name)),)

    return find


def addresses(field: str) -> Find:
    """Addresses of data: text, or a list or object of texts, in a field of an own service."""

    def find(request: Any, locate: Locate) -> Iterator[Place]:
        value = request.fields.get(field)
        if value is None:
            return
        kind = value.WhichOneof("kind")
        entries = [value]
        if kind == "list_value":
            entries = value.list_value.values
        elif kind == "struct_value":
            entries = value.struct_value.fields.values()
        for entry in entries:
            if entry.WhichOneof("kind") == "string_value":
                yield locate(entry.string_value)

    return find


def locate(blobs: LocalBlobs, uri: str) -> Place:
    """Whose an address of data is.

    Raises:
        Conflict: it lies outside of the data directory.
        Invalid: it is not below a project and domain.
    """
    path = links.data_path(blobs, uri)
    project, domain, *rest = path.removeprefix(f"{links.UPLOADS}/").split("/")
    is_upload = path.startswith(f"{links.UPLOADS}/")
    return Place(project, domain, "" if is_upload or not rest else rest[0])


def both(*finds: Find) -> Find:
    """What several ways find together."""

    def find(request: Message, locate: Locate) -> Iterator[Place]:
        for one in finds:
            yield from one(request, locate)

    return find


def of(identifier: Message) -> Place:
    """The place that an identifier names."""
    return _READERS[type(identifier)](identifier)


def _run(message: identifier_pb2.RunIdentifier) -> Place:
    return Place(message.project, message.domain, message.name)


def _action(message: identifier_pb2.ActionIdentifier) -> Place:
    run = message.run
    return Place(run.project, run.domain, run.name, message.name)


def _project(message: identifier_pb2.ProjectIdentifier) -> Place:
    return Place(message.name, message.domain)


def _named(message: Any) -> Place:
    return Place(message.project, message.domain, name=message.name)


_READERS: Mapping[type[Message], Callable[[Any], Place]] = {
    identifier_pb2.RunIdentifier: _run,
    identifier_pb2.ActionIdentifier: _action,
    identifier_pb2.ActionAttemptIdentifier: lambda it: _action(it.action_id),
    identifier_pb2.ProjectIdentifier: _project,
    identifier_pb2.TriggerName: _named,
    identifier_pb2.TriggerIdentifier: lambda it: _named(it.name),
    task_definition_pb2.TaskIdentifier: _named,
    task_definition_pb2.TaskName: _named,
    secret_pb2.SecretIdentifier: _named,
}
IDENTIFIERS = frozenset(kind.DESCRIPTOR.full_name for kind in _READERS)
"""Kinds of messages that name a place; a test looks for them in every request."""


def _follow(message: Message, way: list[str]) -> Message | None:
    found: Any = message
    for field in way:
        if not found.HasField(field):
            return None
        found = getattr(found, field)
    return found


def _text(message: Message, way: list[str]) -> str:
    if not way:
        return ""
    inner = _follow(message, way[:-1])
    return "" if inner is None else str(getattr(inner, way[-1]))


def _folder(uri: str, below: int) -> str:
    folder, *names = uri.rsplit("/", below)
    return uri if not folder or ".." in names else folder


@lru_cache(_REMEMBERED)
def _owner(locate: Locate, folder: str) -> Place | None:
    try:
        return locate(f"{folder}/_")
    except Conflict:
        return None


def _field(request: Any, field: str) -> str:
    value = request.fields.get(field)
    return value.string_value if value is not None else ""
