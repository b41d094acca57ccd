"""A task that a trigger starts a moment after it was deployed, and one that only waits for a trigger."""

from datetime import UTC, datetime, timedelta

import flyte

env = flyte.TaskEnvironment(name="triggered")

soon = flyte.Trigger(
    "soon",
    flyte.FixedRate(24 * 60, start_time=datetime.now(UTC) + timedelta(seconds=1)),
    inputs={"at": flyte.TriggerTime, "text": "by itself"},
    labels={"team": "ops"},
)


@env.task(triggers=soon)
async def note(at: datetime, text: str) -> str:
    return f"{text} at {at.isoformat()}"


@env.task
async def wait(trigger_time: datetime, word: str = "default") -> str:
    return f"{word} {trigger_time.tzinfo}"
