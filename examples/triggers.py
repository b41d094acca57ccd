"""A task that starts by itself, every night and whenever somebody asks.

flyte deploy examples/triggers.py
flyte get trigger
flyte start trigger nightly reports.daily
flyte update trigger nightly reports.daily --deactivate
"""

from datetime import datetime, timedelta

import flyte

env = flyte.TaskEnvironment("reports")

nightly = flyte.Trigger(
    "nightly",
    flyte.Cron("0 3 * * *", "Europe/Berlin"),
    description="the day before, at three in the morning",
    inputs={"at": flyte.TriggerTime},
    labels={"team": "ops"},
    catch_up="all",
)


@env.task(triggers=nightly)
async def daily(at: datetime, days: int = 1) -> str:
    """What a report would be about: a late run is for the same day as one in time."""
    first = (at - timedelta(days=days)).date()
    return f"report of {first} to {at.date()}"
