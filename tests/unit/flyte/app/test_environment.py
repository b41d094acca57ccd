"""AppEnvironment and its small words: what they accept, and what they say to what they do not."""

from datetime import timedelta
from typing import Any

import fastapi
import pytest

import flyte
from flyte import errors
from flyte.app import (
    AppEndpoint,
    AppEnvironment,
    ConnectorEnvironment,
    Parameter,
    Port,
    RunOutput,
    Scaling,
    Subdomain,
    Timeouts,
    ctx,
    get_parameter,
)
from flyte.app.extras import FastAPIAppEnvironment
from flyte.io import Dir, File


def test_an_app_is_an_environment_with_defaults() -> None:
    env = AppEnvironment(name="my-app")
    assert isinstance(env, flyte.Environment)
    assert env.get_port() == Port(8080)
    assert env.requires_auth
    assert env.scaling.get_replicas() == (0, 1)
    assert env.endpoint == "http://localhost:8080"
    assert env.command_line() == []


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"name": "My App"}, "not valid"),
        ({"name": "my_app"}, "my-app"),
        ({"port": 0}, "port"),
        ({"port": 65536}, "port"),
        ({"port": "8080"}, "port"),
        ({"port": True}, "port"),
        ({"args": 3}, "args"),
        ({"args": "say 'hello"}, "args"),
        ({"command": ["python", 3]}, "command"),
        ({"scaling": 3}, "Scaling"),
        ({"timeouts": 3}, "Timeouts"),
        ({"links": ["/docs"]}, "Link"),
        ({"parameters": ["model"]}, "Parameter"),
        ({"parameters": [Parameter("m", "1"), Parameter("m", "2")]}, "'m'"),
        ({"depends_on": ["other"]}, "depends_on"),
        ({"env_vars": {"A": 1}}, "A"),
        ({"secrets": 3}, "secrets"),
    ],
)
def test_what_is_wrong_is_named(wrong: dict[str, Any], word: str) -> None:
    with pytest.raises(errors.DefinitionError) as caught:
        AppEnvironment(**{"name": "app", **wrong})
    assert word in str(caught.value)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Scaling(replicas=0),
        lambda: Scaling(replicas=(3, 1)),
        lambda: Scaling(replicas=(1, 2, 3)),  # type: ignore[arg-type]
        lambda: Scaling(replicas=True),
        lambda: Scaling(metric=3),  # type: ignore[arg-type]
        lambda: Scaling(scaledown_after=-1),
        lambda: Scaling.Concurrency(0),
        lambda: Scaling.RequestRate(0),
        lambda: Timeouts(request=timedelta(seconds=-1)),
        lambda: Subdomain(app_name="a", function=lambda env, context: "b"),
        lambda: Parameter(name="two words"),
        lambda: Parameter(name="m", env_var="two words"),
        lambda: Parameter(name="m", value=3),  # type: ignore[arg-type]
        lambda: Parameter(name="m", type="number"),  # type: ignore[arg-type]
        lambda: RunOutput(type="file"),
        lambda: RunOutput(type="file", run_name="r", task_name="t"),
        lambda: RunOutput(type="file", task_name="t", task_version="v", task_auto_version="latest"),
    ],
)
def test_small_words_are_checked(wrong: Any) -> None:
    with pytest.raises(errors.DefinitionError):
        wrong()


def test_scaling_has_bounds() -> None:
    assert Scaling(replicas=2).get_replicas() == (2, 2)
    assert Scaling(replicas=(0, 3), metric=Scaling.Concurrency(10)).get_replicas() == (0, 3)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("text", "string"),
        (File.from_existing_remote("s3://bucket/model"), "file"),
        (Dir.from_existing_remote("s3://bucket/models"), "directory"),
        (AppEndpoint(app_name="other"), "app_endpoint"),
        (RunOutput(type="directory", run_name="r"), "directory"),
        (None, None),
    ],
)
def test_a_parameter_knows_its_kind(value: Any, kind: str | None) -> None:
    assert Parameter(name="model", value=value).type == kind


def test_a_command_is_a_list_or_a_line_and_its_arguments_follow() -> None:
    env = AppEnvironment(name="app", command="python -m http.server", args=["80", "a b"])
    assert env.command_line() == ["python", "-m", "http.server", "80", "a b"]
    assert AppEnvironment(name="app", args="serve 'a b'").command_line() == ["serve", "a b"]


def test_an_app_has_one_server() -> None:
    env = AppEnvironment(name="app")

    @env.server
    def one() -> None: ...

    assert env.function("server") is one
    with pytest.raises(errors.DefinitionError, match="already"):

        @env.server
        def two() -> None: ...

    with pytest.raises(errors.DefinitionError, match="function"):
        env.on_startup(3)  # type: ignore[type-var]
    with pytest.raises(errors.DefinitionError, match="command"):
        AppEnvironment(name="app", command="serve").server(one)


def test_a_clone_keeps_the_functions_and_changes_the_rest() -> None:
    env = AppEnvironment(name="app", port=8081)
    env.server(lambda: None)
    clone = env.clone_with("staging", env_vars={"A": "1"}, interruptible=True, port=8082)
    assert (clone.name, clone.get_port().port, clone.env_vars) == ("staging", 8082, {"A": "1"})
    assert clone.interruptible
    assert clone.function("server") is env.function("server")


def test_a_connector_speaks_grpc() -> None:
    assert ConnectorEnvironment(name="spark").get_port() == Port(8080, name="h2c")


def test_fastapi_serves_itself_unless_there_is_another_server() -> None:
    env = FastAPIAppEnvironment(name="api", app=fastapi.FastAPI())
    assert env.type == "FastAPI"
    assert env.function("server") == env._serve
    assert env.clone_with("other").function("server") != env._serve

    @env.server
    def own() -> None: ...

    assert env.function("server") is own


def test_fastapi_wants_its_app() -> None:
    with pytest.raises(errors.DefinitionError, match=r"fastapi\.FastAPI"):
        FastAPIAppEnvironment(name="api", app=print)
    with pytest.raises(TypeError):
        FastAPIAppEnvironment(name="api")  # type: ignore[call-arg]


def test_outside_of_an_app_there_are_no_parameters() -> None:
    assert ctx().mode == "local"
    with pytest.raises(errors.ParameterMaterializationError, match="none"):
        get_parameter("model")
