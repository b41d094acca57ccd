"""Reading what the control plane says about an attempt."""

from datetime import UTC, datetime

import pytest

from flyte import errors
from flyte._context import CodeBundle
from flyte._runtime import arguments

ARGV = [
    "a0", "--inputs", "/d/r1/a1/inputs.pb", "--outputs-path", "/d/r1/a1/2",
    "--version", "v1", "--raw-data-path", "/d/raw", "--checkpoint-path",
    "/d/r1/a1/2/_flytecheckpoints", "--prev-checkpoint", "/d/r1/a1/1/_flytecheckpoints",
    "--run-name", "r1", "--name", "a1", "--run-start-time", "2025-01-31T12:00:00.123456789Z",
    "--tgz", "/d/bundle.tgz", "--dest", "code", "--resolver", "flyte._runtime.loader.ModuleLoader",
    "mod", "digits", "instance", "train",
]  # fmt: skip
ENV = {
    "FLYTE_INTERNAL_EXECUTION_PROJECT": "p",
    "FLYTE_INTERNAL_EXECUTION_DOMAIN": "d",
    "_U_ORG_NAME": "local",
    "_U_RUN_BASE": "/d/r1",
    "_U_EP_OVERRIDE": "127.0.0.1:8090",
    "_U_INSECURE": "true",
    "_F_DISABLE_CACHE": "1",
    "FLYTE_ATTEMPT_NUMBER": "1",
    "FLYTE_HOME": "/home/u/.flyte",
    "_F_SYS_PATH": ".:./src",
}
LEAST = ["--inputs", "/i", "--outputs-path", "/o"]


def test_everything_is_read() -> None:
    read = arguments.parse(ARGV, ENV)
    assert read.action.unique_id_str() == "p-d-r1-a1"
    assert (read.inputs, read.outputs_path) == ("/d/r1/a1/inputs.pb", "/d/r1/a1/2")
    assert read.run_start_time == datetime(2025, 1, 31, 12, 0, 0, 123456, tzinfo=UTC)
    assert read.code_bundle == CodeBundle("v1", "code", tgz="/d/bundle.tgz")
    assert read.loader_args == ("mod", "digits", "instance", "train")
    assert (read.endpoint, read.insecure, read.attempt_number) == ("127.0.0.1:8090", True, 1)
    assert read.disable_run_cache
    assert read.sys_path == (".", "./src")
    assert (read.run_base, read.home) == ("/d/r1", "/home/u/.flyte")


def test_the_leading_command_may_be_missing_and_values_may_be_joined() -> None:
    assert arguments.parse(ARGV[1:], ENV) == arguments.parse(ARGV, ENV)
    assert arguments.parse(["--inputs=/i", "--outputs-path=/o"], {}).inputs == "/i"


def test_arguments_can_be_compared_and_hashed() -> None:
    assert len({arguments.parse(ARGV, ENV), arguments.parse(ARGV, ENV)}) == 1


def test_unrendered_names_come_from_the_environment() -> None:
    argv = [*LEAST, "--run-name", "{{.runName}}", "--name", "{{.actionName}}"]
    read = arguments.parse(argv, {"RUN_NAME": "r2", "ACTION_NAME": "a7"})
    assert (read.action.run_name, read.action.name) == ("r2", "a7")


def test_an_unrendered_start_time_is_a_constant() -> None:
    read = arguments.parse([*LEAST, "--run-start-time", "{{.runStartTime}}"], {})
    assert read.run_start_time == datetime(1970, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("value", ['""', "", "{{.prevCheckpointPrefix}}"])
def test_no_previous_checkpoint(value: str) -> None:
    assert arguments.parse([*LEAST, "--prev-checkpoint", value], {}).prev_checkpoint is None


def test_settings_of_an_object_store() -> None:
    env = {
        "FLYTE_AWS_ENDPOINT": "http://minio:9000",
        "FLYTE_AWS_ACCESS_KEY_ID": "k",
        "AWS_REGION": "",
    }
    options = dict(arguments.parse(LEAST, env).storage_options)
    assert options == {"endpoint": "http://minio:9000", "access_key_id": "k"}


@pytest.mark.parametrize(
    ("argv", "env", "named"),
    [
        (["--outputs-path", "/o"], {}, "--inputs"),
        (["--inputs", "/i"], {}, "--outputs-path"),
        ([*LEAST, "--nonsense", "1"], {}, "--nonsense"),
        ([*LEAST, "--run-start-time", "yesterday"], {}, "yesterday"),
        (LEAST, {"FLYTE_ATTEMPT_NUMBER": "two"}, "FLYTE_ATTEMPT_NUMBER"),
    ],
)
def test_what_is_wrong_is_named(argv: list[str], env: dict[str, str], named: str) -> None:
    with pytest.raises(errors.ConfigError, match=named):
        arguments.parse(argv, env)
