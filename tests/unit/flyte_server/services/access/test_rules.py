"""The table of rules: it has every method that is mounted, and looks at every identifier that a request can carry."""

from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.struct_pb2 import Struct
from tests.integration.services.conftest import serving
from tests.integration.services.test_workers import make

from flyte_server.auth.roles import Role
from flyte_server.services import registry
from flyte_server.services.access import places, rules
from flyte_server.services.access.places import Place
from flyte_server.services.access.rules import OPEN_SERVICES, RULES
from flyte_server.settings import Settings

NOT_WHERE = {
    # They name nothing that the call would touch.
    "flyteidl2.actions.ActionsService/Enqueue": {"run_spec"},
    "flyteidl2.workflow.QueueService/EnqueueAction": {"run_spec"},
    "flyteidl2.cluster.ClusterService/SelectCluster": {"project_id", "task_id", "action_id", "action_attempt_id"},
    "flyteidl2.imagebuilder.ImageService/GetImage": {"project_id"},
}  # fmt: skip


async def mounted(tmp_path: Path) -> dict[str, Any]:
    """All methods of a control plane, with what they take."""
    settings = Settings(home=tmp_path / "home", port=0, cgroups="off")
    async with serving(settings, make=make) as plane:
        return {
            path.removeprefix("/"): endpoint.method.input
            for app in registry.services(plane.app.parts)
            for path, endpoint in app._endpoints(app._service).items()
        }


async def test_every_method_that_is_mounted_has_a_rule(tmp_path: Path) -> None:
    methods = {
        method
        for method in await mounted(tmp_path)
        if method.partition("/")[0] not in OPEN_SERVICES
    }
    assert sorted(methods - set(RULES)) == [], "add a line to services/access/rules.py"
    assert sorted(set(RULES) - methods) == [], "these rules are for nothing"


async def test_every_identifier_of_a_request_is_looked_at(tmp_path: Path) -> None:
    for method, kind in (await mounted(tmp_path)).items():
        rule = RULES.get(method)
        if rule is None or kind is Struct:
            continue
        for field in kind.DESCRIPTOR.fields:
            path = _to_identifier(field)
            if path is None or field.name in NOT_WHERE.get(method, set()):
                continue
            request = kind()
            _name(request, path)
            found = [place.project for place in rule.find(request, lambda _: Place(""))]
            assert "marked" in found, f"{method} does not look at {'.'.join(path)}"


def _to_identifier(field: FieldDescriptor) -> list[str] | None:
    """The path to an identifier in a field, at most one message deep."""
    kind = field.message_type
    if kind is None:
        return None
    if kind.full_name in places.IDENTIFIERS:
        return [field.name]
    return next(([field.name, inner] for inner in _identifiers(kind)), None)


def _identifiers(kind: Descriptor) -> list[str]:
    kinds = [(each.name, each.message_type) for each in kind.fields]
    return [name for name, inner in kinds if inner and inner.full_name in places.IDENTIFIERS]


def _name(message: Any, path: list[str]) -> None:
    """Put an identifier there, of the project `marked`."""
    for step in path:
        inner = getattr(message, step)
        if hasattr(inner, "add"):
            inner = inner.add()
        message = inner
    kind = message.DESCRIPTOR.name
    if kind == "ProjectIdentifier":
        message.name = "marked"
    elif kind == "ActionIdentifier":
        message.run.project = "marked"
    elif kind == "ActionAttemptIdentifier":
        message.action_id.run.project = "marked"
    elif kind == "TriggerIdentifier":
        message.name.project = "marked"
    else:
        message.project = "marked"


def test_what_changes_something_needs_more_than_view() -> None:
    assert [name for name, rule in RULES.items() if rule.changes and rule.role is Role.VIEW] == []


@pytest.mark.parametrize("word", ["Create", "Delete", "Update", "Set", "Deploy", "Abort", "Revoke"])
def test_what_sounds_like_a_change_is_written_down(word: str) -> None:
    links = {
        "DataProxyService/CreateDownloadLink",
        "DataService/CreateDownloadLinks",
        "ActionService/SetAside",
    }
    silent = {
        method.rpartition(".")[2]
        for method, rule in rules.RULES.items()
        if method.partition("/")[2].startswith(word) and not rule.changes
    }
    assert silent <= links
