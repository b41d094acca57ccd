"""Tasks with images that become Python environments; their wheels are the test's own."""

import os
import sys
from pathlib import Path

import flyte

WHEELS = os.environ.get("TEST_WHEELS", ".")
BASE = flyte.Image.from_debian_base(name="tests")


def wheel(name: str) -> str:
    return f"{WHEELS}/{name}-1.0-py3-none-any.whl"


plain = flyte.TaskEnvironment("plain")
one = flyte.TaskEnvironment(
    "one",
    image=BASE.with_pip_packages(wheel("w_one"))
    .with_env_vars({"MODE": "of the image", "LEVEL": "of the image"})
    .with_source_file(Path(__file__).with_name("environments_data.txt")),
    env_vars={"LEVEL": "of the task"},
)
two = flyte.TaskEnvironment("two", image=BASE.with_pip_packages(wheel("w_two")), depends_on=[one])
picky = flyte.TaskEnvironment("picky", image=BASE.with_pip_packages(wheel("w_picky")))
system = flyte.TaskEnvironment("system", image=BASE.with_apt_packages("git"))


@one.task
def value() -> tuple[int, str, str, str]:
    import w_one  # noqa: PLC0415 - only tasks with this image have it

    text = Path("environments_data.txt").read_text().strip()
    return w_one.VALUE, os.environ["MODE"], os.environ["LEVEL"], text


@one.task
def where() -> tuple[str, bool]:
    return sys.prefix, "w_two" in sys.modules


@two.task
async def both() -> tuple[int, str, str]:
    import w_two  # noqa: PLC0415 - likewise

    return w_two.VALUE, sys.prefix, (await where.aio())[0]


@plain.task
async def undeclared() -> tuple[str, int]:
    return sys.prefix, (await value.aio())[0]


@picky.task
def impossible() -> None: ...


@system.task
def with_git() -> None: ...


@plain.task
async def calls_git() -> None:
    await with_git.aio()
