"""A script as users write them: it chooses nothing, its configuration does."""

import flyte

env = flyte.TaskEnvironment(name="scripted")


@env.task
def square(n: int) -> int:
    return n * n


if __name__ == "__main__":
    flyte.init_from_config()
    run = flyte.run(square, n=7)
    run.wait()
    print("remote" if run.url else "local", run.outputs())
