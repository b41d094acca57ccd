"""A task of the official package that a trigger starts a moment after it was deployed."""

from datetime import UTC, datetime, timedelta

import flyte

env = flyte.TaskEnvironment(name="official_triggered")

soon = flyte.Trigger(
    "soon",
    flyte.FixedRate(24 * 60, start_time=datetime.now(UTC) + timedelta(seconds=4)),
    inputs={"at": flyte.TriggerTime, "text": "by itself"},
    description="once a day",
)


@env.task(triggers=(soon, flyte.Trigger.daily("at", name="nightly", inputs={"text": "nightly"})))
async def note(at: datetime, text: str) -> str:
    return f"{text} at {at.isoformat()}"


@env.task
async def plain(trigger_time: datetime) -> str:
    return trigger_time.isoformat()
