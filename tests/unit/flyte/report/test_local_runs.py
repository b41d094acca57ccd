"""Reports of runs in the caller's own process."""

import logging
from pathlib import Path

import pytest

import flyte
import flyte.report
from flyte import errors

env = flyte.TaskEnvironment("reports")


@env.task
async def leaf(n: int) -> int:
    flyte.report.log(f"<p>leaf {n}</p>")
    return n


@env.task(report=True, retries=1)
async def root() -> int:
    flyte.report.log(f"<p>attempt {flyte.ctx().attempt_number}</p>")  # type: ignore[union-attr]
    if flyte.ctx().attempt_number == 0:  # type: ignore[union-attr]
        raise ValueError("again")
    return await leaf(3)


@env.task
def plain() -> None:
    flyte.report.log("<p>plain</p>", do_flush=True)


@env.task
def silent() -> None:
    pass


def test_a_finished_run_has_its_report(flyte_home: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="flyte.report")
    run = flyte.with_runcontext(mode="local", name="r1").run(root)
    assert "attempt 1" in run.get_report()
    assert "attempt 0" in run.get_report(attempt=1)
    assert "leaf 3" not in run.get_report()
    folder = flyte_home / "local" / "r1"
    assert len(list(folder.glob("*/*/report.html"))) == 3
    (said,) = (record.getMessage() for record in caplog.records)
    assert said == f"3 reports of this run: {folder}/*/*/report.html"


async def test_a_plain_task_on_a_running_loop() -> None:
    run = await flyte.with_runcontext(mode="local").run.aio(plain)
    assert "<p>plain</p>" in await run.get_report.aio()


def test_a_run_without_a_report_leaves_its_journal_only(flyte_home: Path) -> None:
    run = flyte.with_runcontext(mode="local", name="r2").run(silent)
    with pytest.raises(errors.RuntimeUserError, match="run r2 has written no report") as caught:
        run.get_report()
    assert caught.value.code == "NoReport"
    assert [path.name for path in (flyte_home / "local" / "r2").iterdir()] == ["journal"]
