"""Other settings for a deployed task."""

from datetime import timedelta
from pathlib import Path

import pytest
from flyteidl2.core import tasks_pb2
from flyteidl2.task import task_definition_pb2

import flyte
from flyte import errors
from flyte._wire import task_spec
from flyte._wire.deployed.overrides import overridden
from flyte._wire.task_spec import SerializationContext

env = flyte.TaskEnvironment(
    name="overridden",
    env_vars={"OWN": "1", "VIRTUAL_ENV": "/venv"},
    resources=flyte.Resources(cpu=1),
    secrets=flyte.Secret(key="old"),
)
pods = flyte.TaskEnvironment(
    name="overridden_pods",
    pod_template=flyte.PodTemplate(pod_spec={"containers": [{"name": "primary"}, {"name": "b"}]}),
)


@env.task
async def work(n: int) -> int:
    return n


@env.task(cache=flyte.Cache("auto", version_override="7"))
async def kept(n: int) -> int:
    return n


@pods.task
async def in_pod(n: int) -> int:
    return n


CONTEXT = SerializationContext(version="v1", root_dir=Path(__file__).resolve().parents[5])
WORK = task_spec.task_spec(work, CONTEXT)


def changed(spec: task_definition_pb2.TaskSpec = WORK, **changes: object) -> tasks_pb2.TaskTemplate:
    before = spec.SerializeToString(deterministic=True)
    made = overridden(spec, changes).task_template
    assert spec.SerializeToString(deterministic=True) == before, "the deployed one stays"
    return made


def test_each_setting() -> None:
    made = changed(
        retries=3,
        timeout=timedelta(minutes=2),
        resources=flyte.Resources(memory="2Gi", gpu="T4:1"),
        secrets=[flyte.Secret(key="new")],
        service_account="robot",
        produces_artifacts=True,
    )
    assert made.metadata.retries.retries == 3
    assert made.metadata.timeout.seconds == 120
    amounts = {each.name: each.value for each in made.container.resources.requests}
    assert amounts == {tasks_pb2.Resources.MEMORY: "2Gi", tasks_pb2.Resources.GPU: "1"}
    assert made.extended_resources.gpu_accelerator.device == "nvidia-tesla-t4"
    assert [each.key for each in made.security_context.secrets] == ["new"]
    assert made.security_context.run_as.k8s_service_account == "robot"
    assert made.metadata.produces_artifacts
    assert overridden(WORK, {"short_name": "s"}).short_name == "s"


def test_variables_are_replaced_but_not_where_the_code_runs() -> None:
    pairs = {pair.key: pair.value for pair in changed(env_vars={"NEW": "2"}).container.env}
    assert pairs == {"NEW": "2", "VIRTUAL_ENV": "/venv"}


def test_a_pod_is_changed_in_its_own_container() -> None:
    made = changed(
        task_spec.task_spec(in_pod, CONTEXT),
        env_vars={"A": "1"},
        resources=flyte.Resources(cpu=2),
    )
    primary, other = made.k8s_pod.pod_spec["containers"]
    assert primary["env"][0]["name"] == "A"
    assert primary["resources"]["requests"]["cpu"] == "2"
    assert list(other) == ["name"]


def test_the_cache_of_a_deployed_task() -> None:
    cached = task_spec.task_spec(kept, CONTEXT)
    assert not changed(cached, cache="disable").metadata.discoverable
    assert changed(cached, cache="auto").metadata.discovery_version == "7"
    made = changed(cache=flyte.Cache("auto", version_override="1", ignored_inputs=("n",)))
    assert (made.metadata.discoverable, made.metadata.discovery_version) == (True, "1")
    assert list(made.metadata.cache_ignore_input_vars) == ["n"]
    with pytest.raises(errors.RemoteTaskUsageError, match="version_override"):
        changed(cache="auto")


def test_an_unknown_setting_names_the_known_ones() -> None:
    with pytest.raises(errors.RemoteTaskUsageError) as refused:
        changed(reusable="off")
    assert "'reusable'" in str(refused.value)
    assert "env_vars" in str(refused.value)
