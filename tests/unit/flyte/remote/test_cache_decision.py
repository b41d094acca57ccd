"""Why an action was executed or not: asked of our control plane, and what is shown without it."""

from collections.abc import Iterator

import pytest
from flyteidl2.core import catalog_pb2
from flyteidl2.workflow import run_definition_pb2
from tests.fakes.remote_plane import FakePlane, attached, gone

from flyte import _session, errors
from flyte._wire.caching.decisions import CacheDecision
from flyte.cli import tables
from flyte.remote import Action, ActionDetails

EXPLAIN = "CacheService/Explain"


@pytest.fixture
def plane() -> Iterator[FakePlane]:
    plane = FakePlane()
    with _session.using(attached(plane)):
        yield plane


def details(status: int = catalog_pb2.CACHE_HIT) -> ActionDetails:
    message = run_definition_pb2.ActionDetails()
    message.id.run.project, message.id.run.domain, message.id.run.name = "p", "d", "r2"
    message.id.name = "a0"
    message.status.cache_status = status  # type: ignore[assignment]
    return ActionDetails(message)


def shown(found: ActionDetails, decision: CacheDecision | None) -> str:
    return dict(tables.action(found, decision).rows).get("cache", "")  # type: ignore[arg-type]


def test_the_control_plane_explains(plane: FakePlane) -> None:
    plane.answer(EXPLAIN, {"decision": "changed", "source": "r1/a0", "changed": ["code"]})
    decision = details().cache_decision()
    assert str(decision) == "miss: code changed since r1/a0"
    assert plane.requests(EXPLAIN) == [{"project": "p", "domain": "d", "run": "r2", "action": "a0"}]
    assert shown(details(), decision) == "miss: code changed since r1/a0"


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (catalog_pb2.CACHE_HIT, "hit"),
        (catalog_pb2.CACHE_MISS, "miss"),
        (catalog_pb2.CACHE_POPULATED, "miss"),
        (catalog_pb2.CACHE_SKIPPED, "overwrite"),
        (catalog_pb2.CACHE_DISABLED, ""),
    ],
)
def test_another_backend_tells_hit_or_miss_only(plane: FakePlane, status: int, words: str) -> None:
    plane.answer(EXPLAIN, gone("unimplemented"))
    decision = details(status).cache_decision()
    assert decision is None
    assert shown(details(status), decision) == words


def test_other_failures_are_no_secret(plane: FakePlane) -> None:
    plane.answer(EXPLAIN, gone("unavailable"))
    with pytest.raises(errors.UnionRpcError):
        details().cache_decision()


def test_what_asks_for_no_cache_shows_nothing() -> None:
    assert shown(details(catalog_pb2.CACHE_DISABLED), CacheDecision("off")) == ""
    told = CacheDecision("off", detail="a policy failed")
    assert shown(details(catalog_pb2.CACHE_DISABLED), told) == "not cached: a policy failed"


def test_a_list_shows_hit_or_miss_of_each_action() -> None:
    message = run_definition_pb2.Action()
    message.status.cache_status = catalog_pb2.CACHE_POPULATED
    table = tables.actions([Action(message)])
    assert table.rows[0][table.columns.index("cache")] == "miss"
