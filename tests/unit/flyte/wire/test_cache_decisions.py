"""The words for what the cache did; both sides find the same differences between two calls."""

from datetime import timedelta
from typing import Any

import pytest
from flyteidl2.core import tasks_pb2
from flyteidl2.task import common_pb2
from tests.histories import cache_keys

import flyte
from flyte._wire.caching import keys
from flyte._wire.caching.decisions import CacheDecision, changed, nearest
from flyte_server.services.caching import differences
from flyte_server.services.caching.differences import Parts

Call = tuple[tasks_pb2.TaskTemplate, common_pb2.Inputs]


def between(new: Call, old: Call) -> list[str]:
    """What differs between two calls, by either side."""
    found = changed(keys.parts(*new), keys.parts(*old))
    assert differences.between(Parts.of(*new), Parts.of(*old)) == found
    return found


def with_config(call: Call, **changes: str) -> Call:
    template = tasks_pb2.TaskTemplate()
    template.CopyFrom(call[0])
    template.config.update(
        {f"cache.{name.replace('__', '.')}": part for name, part in changes.items()}
    )
    return template, call[1]


def with_cache(**settings: Any) -> Call:
    task = cache_keys.scalars.override(cache=flyte.Cache(**settings))
    return keys.template(task), cache_keys.of_case("scalars")[1]


def test_each_part_is_named() -> None:
    plain, policies = cache_keys.of_case("scalars"), cache_keys.of_case("policies")
    assert between(plain, plain) == []
    assert between(with_config(plain, code="other"), plain) == ["code"]
    assert between(with_config(plain, salt="other"), plain) == ["salt"]
    assert between(with_config(policies, policy__Monthly="other"), policies) == ["policy Monthly"]
    assert between(with_cache(behavior="auto", salt="s"), plain) == ["salt"]
    assert between(with_cache(behavior="auto", version_override="v"), plain) == ["version"]
    assert between(with_cache(behavior="auto", ignored_inputs="s"), plain) == ["ignored inputs"]
    assert between(cache_keys.of_case("other scalars"), plain) == [
        "input n", "input x", "input s", "input b", "input flag",
    ]  # fmt: skip


def test_a_policy_is_not_to_blame_for_a_new_salt() -> None:
    policies = cache_keys.of_case("policies")
    assert between(with_config(policies, policy__Monthly="o", salt="o"), policies) == ["salt"]


def test_another_client_tells_its_version_only() -> None:
    one, other = cache_keys.of_case("scalars"), cache_keys.of_case("scalars")
    for template, _ in (one, other):
        template.config.clear()
    other[0].metadata.discovery_version = "newer"
    assert between(other, one) == ["version"]


def test_an_interface_that_changed_is_told_once() -> None:
    old = cache_keys.of_case("scalars")
    new = cache_keys.of_case("scalars")
    new[0].interface.inputs.variables.add(key="extra")
    new[1].literals.add(name="extra").value.scalar.primitive.integer = 1
    assert between(new, old) == ["interface"]


def test_the_nearest_result_explains_a_miss() -> None:
    plain = cache_keys.of_case("scalars")
    far = keys.parts(*cache_keys.of_case("other scalars"))
    near = keys.parts(*with_config(plain, code="other"))
    found = nearest(keys.parts(*plain), [("r2/a0", far), ("r1/a0", near)])
    assert (found.source, found.changed) == ("r1/a0", ("code",))
    assert str(nearest(keys.parts(*plain), [])) == "miss: the first call of the task"


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        (
            {"decision": "hit", "source": "r1/a0", "age_seconds": 200},
            "hit: the outputs of r1/a0, 3 min old",
        ),
        ({"decision": "hit", "source": "r1/a0"}, "hit: the outputs of r1/a0"),
        (
            {"decision": "changed", "source": "r1/a0", "changed": ["code", "input a", "input b"]},
            "miss: code, input a and input b changed since r1/a0",
        ),
        (
            {"decision": "expired", "source": "r1/a0", "age_seconds": 90_000.0},
            "miss: expired, the outputs of r1/a0 are older than max_age, 1 d old",
        ),
        (
            {"decision": "damaged", "source": "r1/a0"},
            "miss: the outputs of r1/a0 can no longer be read",
        ),
        ({"decision": "overwritten", "detail": "x"}, "executed to replace what was kept: x"),
        ({"decision": "off", "detail": "x"}, "not cached: x"),
        ({"decision": "waiting"}, "waits for an equal call, which computes the same (serialize)"),
        ({"decision": "unheard of"}, "unheard of"),
    ],
)
def test_words(payload: dict[str, Any], words: str) -> None:
    decision = CacheDecision.of(payload)
    assert str(decision) == words
    assert decision.to_dict() == {"summary": words, **payload}


def test_a_decision_is_about_the_cache_only_if_somebody_asked_for_it() -> None:
    assert not CacheDecision("off").is_about_cache
    assert CacheDecision("off", detail="why").is_about_cache
    assert CacheDecision("hit", age=timedelta(1)).is_hit
