"""Triggers of the official client: deployed with its task, listed, changed, made and deleted by its command."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.official.plane import SCOPE, Witness, marks, serving
from tests.e2e.plane import flyte
from tests.support import wait_until

pytestmark = marks
TASK = "official_triggered.note"


@pytest.fixture
def witness(flyte_home: Path, tmp_path: Path) -> Iterator[Witness]:
    with serving(flyte_home, tmp_path) as made:
        yield made


def ours(name: str) -> dict[str, Any]:
    """What our own command says of a trigger."""
    return json.loads(flyte("-of", "json", "get", "trigger", TASK, name).stdout)


def test_the_official_client_lives_with_our_triggers(witness: Witness) -> None:
    witness("deploy", *SCOPE, "--all", "triggered.py")
    listed = witness("get", "trigger", *SCOPE)
    assert "soon" in listed
    assert "nightly" in listed
    wait_until(lambda: ours("soon")["state"]["last_phase"] == "succeeded", timeout_seconds=60)
    run = ours("soon")["state"]["last_run"]
    assert "by itself at 20" in witness.outputs(run)

    witness("update", "trigger", *SCOPE, "nightly", TASK, "--deactivate")
    assert not ours("nightly")["spec"].get("active", False)
    assert "nightly" in witness("get", "trigger", *SCOPE, TASK, "nightly")

    plain = "official_triggered.plain"
    witness("create", "trigger", *SCOPE, plain, "hourly", "--schedule", "0 * * * *")
    made = json.loads(flyte("-of", "json", "get", "trigger", plain, "hourly").stdout)
    assert made["automationSpec"]["schedule"]["kickoffTimeInputArg"] == "trigger_time"
    assert made["state"]["next_tick"].endswith(":00:00Z")
    witness("delete", "trigger", *SCOPE, "nightly", TASK)
    assert "nightly" not in witness("get", "trigger", *SCOPE)
