"""A run that fails, and tells so; prints the name of the run."""

import sys

import flyte
from flyte.models import ActionPhase
from flyte.notify import Slack, Webhook

env = flyte.TaskEnvironment(name="telling")


@env.task
async def fall(depth: int) -> int:
    raise ValueError(f"fell {depth} m")


def main(url: str) -> None:
    flyte.init(endpoint="local")
    wished = (
        Webhook(on_phase=ActionPhase.FAILED, url=url),
        Slack(on_phase=ActionPhase.SUCCEEDED, webhook_url=url),
    )
    run = flyte.with_runcontext(notifications=wished).run(fall, depth=3)
    print(run.name)


if __name__ == "__main__":
    main(sys.argv[1])
