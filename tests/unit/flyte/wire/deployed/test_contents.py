"""When the content of a deployment is the same."""

from dataclasses import replace
from pathlib import Path

from flyteidl2.task import task_definition_pb2

import flyte
from flyte._context import CodeBundle
from flyte._wire import task_spec
from flyte._wire.deployed import contents
from flyte._wire.task_spec import SerializationContext

env = flyte.TaskEnvironment(name="contents")


@env.task
async def work(n: int = 1) -> int:
    return n


CODE = CodeBundle(computed_version="abc", tgz="/here/fastabc.tar.gz")
CONTEXT = SerializationContext(
    version="v1",
    project="p",
    domain="d",
    code_bundle=CODE,
    root_dir=Path(__file__).resolve().parents[5],
)


def spec(context: SerializationContext = CONTEXT, retries: int = 0) -> task_definition_pb2.TaskSpec:
    return task_spec.task_spec(work.override(retries=retries) if retries else work, context)


def test_where_the_code_lies_and_its_version_do_not_count() -> None:
    moved = replace(
        CONTEXT,
        version="v2",
        org="o",
        code_bundle=replace(CODE, tgz="s3://elsewhere/upload/7/fastabc.tar.gz"),
    )
    assert contents.same(spec(), spec(moved))
    assert contents.version([spec()]) == contents.version([spec(moved)])


def test_other_code_and_other_settings_count() -> None:
    edited = replace(CONTEXT, code_bundle=replace(CODE, tgz="/here/fastdef.tar.gz"))
    made = {
        contents.version([spec()]),
        contents.version([spec(edited)]),
        contents.version([spec(retries=2)]),
        contents.version([spec()], [b"a trigger"]),
        contents.version([spec(), spec(retries=2)]),
    }
    assert len(made) == 5
    assert not contents.same(spec(), spec(edited))


def test_the_order_of_tasks_does_not_count() -> None:
    one, other = spec(), spec(retries=2)
    assert contents.version([one, other]) == contents.version([other, one])
