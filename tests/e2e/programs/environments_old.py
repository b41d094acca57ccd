"""A task whose image asks for a Python that is too old."""

import flyte

env = flyte.TaskEnvironment("old", image=flyte.Image.from_debian_base(python_version=(3, 10)))


@env.task
def main() -> None: ...
