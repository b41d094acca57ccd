"""`flyte delete …`."""

import json
from pathlib import Path

from click.testing import CliRunner

import flyte
from flyte._runtime.local import LocalRuntime
from flyte.cli.main import main

env = flyte.TaskEnvironment("env")


@env.task(cache="auto")
async def job(x: int) -> int:
    return x


def test_results_of_local_runs_are_forgotten(flyte_home: Path) -> None:
    for x in range(3):
        LocalRuntime().run_root(job, {"x": x})
    done = CliRunner().invoke(main, ["-of", "json", "delete", "local-cache"])
    assert json.loads(done.output) == {"deleted": 3}
    again = CliRunner().invoke(main, ["delete", "local-cache"])
    assert "0 cached results of local runs are forgotten" in again.output
    assert not list(flyte_home.glob("local-cache/**/*"))
