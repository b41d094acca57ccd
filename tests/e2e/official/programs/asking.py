"""What the official client asks: one condition is answered by its own command line, one by ours, one by nobody."""

import flyte

env = flyte.TaskEnvironment(name="asking")


@env.task
async def main(price: float = 1.5) -> str:
    approve = await flyte.new_condition.aio(
        "approve", prompt="**Go** on?", prompt_type="markdown", data_type=bool, timeout=600
    )
    amount = await flyte.new_condition.aio("amount", prompt="How many?", data_type=int)
    late = await flyte.new_condition.aio("late", data_type=str, timeout=1)
    try:
        said = await late.wait.aio()
    except flyte.errors.ConditionTimedoutError:
        said = "nobody"
    return f"{await approve.wait.aio()} {await amount.wait.aio()} {said}"
