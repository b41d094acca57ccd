"""A task that shows what it does while it does it: numbers, a chart and a list of events, in three tabs.

flyte run examples/report.py main --epochs 20
"""

import asyncio
import math

import flyte
import flyte.report

env = flyte.TaskEnvironment(name="report")


def loss(epoch: int) -> float:
    return round(math.exp(-epoch / 6) + 0.05 * math.cos(epoch), 4)


def chart(losses: list[float]) -> str:
    """A line that takes its colour from the page, so that it can be read by day and by night."""
    step = 560 / max(len(losses) - 1, 1)
    points = " ".join(f"{20 + i * step:.1f},{180 - 150 * y:.1f}" for i, y in enumerate(losses))
    return (
        '<svg viewBox="0 0 600 200" width="600" role="img" aria-label="Loss by epoch" '
        'style="color-scheme: light dark">'
        f'<polyline points="{points}" fill="none" stroke="currentColor" stroke-width="2"/></svg>'
    )


def table(losses: list[float]) -> str:
    rows = "".join(
        f"<tr><td>{epoch}</td><td>{value}</td></tr>" for epoch, value in enumerate(losses)
    )
    return (
        f"<table><thead><tr><th>Epoch</th><th>Loss</th></tr></thead><tbody>{rows}</tbody></table>"
    )


@env.task(report=True)
async def main(epochs: int = 20) -> float:
    events = flyte.report.Timeline("Events")
    events.heading("Training")
    losses: list[float] = []
    for epoch in range(epochs):
        await asyncio.sleep(0.05)
        losses.append(loss(epoch))
        events.row(icon="✓", label=f"epoch {epoch}", meta=f"loss {losses[-1]}")
        flyte.report.get_tab("Learning curve").replace(chart(losses))
        await flyte.report.replace.aio(
            f"<h1>{epoch + 1} of {epochs} epochs</h1>{table(losses)}", do_flush=True
        )
    return losses[-1]


if __name__ == "__main__":
    flyte.init_from_config()
    print(flyte.run(main, epochs=20).outputs())
