"""Tasks that say what they do in a report: live, at the end, when they fail, and without having been asked to."""

from marking import mark, until_there

import flyte
import flyte.report

env = flyte.TaskEnvironment(name="reporting")


@env.task(report=True)
async def narrate(marks: str) -> int:
    await flyte.report.replace.aio("<h1>once upon a time</h1>", do_flush=True)
    mark(marks, "began")
    await until_there(marks, "go")
    flyte.report.log("<p>they lived happily ever after</p>")
    flyte.report.get_tab("Cast").log("<table><tr><td>the fox</td></tr></table>")
    return 3


@env.task(report=True, retries=1)
def fails() -> None:
    attempt = flyte.ctx().attempt_number
    flyte.report.log(f"<p>attempt {attempt} came this far</p>")
    raise ValueError("no further")


@env.task
def unasked(n: int) -> int:
    flyte.report.log(f"<p>leaf {n}</p>")
    return n


@env.task
async def parent() -> list[int]:
    flyte.report.log("<p>the parent</p>")
    return [await unasked.aio(n) for n in range(2)]


@env.task(report=True)
async def silent() -> None:
    pass
