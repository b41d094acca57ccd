"""Words as messages: what a control plane and a worker read of a task."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flyteidl2.core import security_pb2, tasks_pb2
from flyteidl2.task import run_pb2
from google.protobuf import json_format

from flyte import errors
from flyte._cache import Cache
from flyte._context import CodeBundle
from flyte._documentation import Documentation
from flyte._image import Image
from flyte._interface import NativeInterface
from flyte._kit.aio import drive
from flyte._pod import PodTemplate
from flyte._policies import Backoff, RetryStrategy, ReusePolicy, Timeout
from flyte._resources import AMD_GPU, GPU, TPU, Device, Resources
from flyte._secret import Secret
from flyte._task_environment import TaskEnvironment
from flyte._wire import run_spec, task_spec, values
from flyte._wire.caching import keys
from flyte._wire.task_spec import SerializationContext

BUNDLE = CodeBundle(computed_version="c0de", destination="/root", tgz="s3://b/fast.tar.gz")
CONTEXT = SerializationContext(
    version="v1", project="p", domain="development", org="o", code_bundle=BUNDLE, root_dir=Path("/")
)

env = TaskEnvironment(
    name="digits",
    image="registry/image:1",
    resources=Resources(cpu=(1, 2), memory="1Gi"),
    env_vars={"B": "2", "A": "1"},
    secrets=[Secret("api-key", "openai"), Secret("cert", mount=Path("/etc/flyte/secrets"))],
    description="Trains on digits.",
)


@env.task(
    retries=RetryStrategy(3, Backoff(timedelta(seconds=2), 3.0, timedelta(minutes=1))),
    timeout=Timeout(max_runtime=60, max_queued_time=30, deadline=600),
    cache=Cache(
        "auto", version_override="cv", ignored_inputs=("verbose",), serialize=True, max_age=60
    ),
    report=True,
    entrypoint=True,
    interruptible=True,
    service_account="robot",
)
async def train(rate: float, verbose: bool = False) -> float:
    """Trains one model.

    At length.
    """
    return rate


@env.task
def plain(x: int) -> int:
    return x


warm = TaskEnvironment(name="warm", image="i:1", reusable=ReusePolicy((1, 4), 60, 5, 45, "run"))


@warm.task
async def pooled(x: int) -> int:
    return x


@warm.task
async def neighbour(x: str) -> str:
    return x


def template(task: Any, context: SerializationContext = CONTEXT) -> tasks_pb2.TaskTemplate:
    return task_spec.task_spec(task, context).task_template


def test_identity_and_words_for_people() -> None:
    spec = task_spec.task_spec(train, CONTEXT)

    assert json_format.MessageToDict(spec.task_template.id) == {
        "resourceType": "TASK",
        "project": "p",
        "domain": "development",
        "name": "digits.train",
        "version": "v1",
        "org": "o",
    }
    assert spec.short_name == "train"
    assert (spec.environment.name, spec.environment.description) == ("digits", "Trains on digits.")
    assert spec.documentation.short_description == "Trains one model."
    assert spec.documentation.long_description == "Trains one model.\n\nAt length."


def test_given_documentation_wins_and_is_cut_to_what_the_protocol_allows() -> None:
    @env.task(docs=Documentation("d" * 5000))
    def described() -> None:
        """Docstring."""

    documentation = task_spec.task_spec(described, _interactive()).documentation
    assert len(documentation.short_description) == 255
    assert len(documentation.long_description) == 2048


def _interactive() -> SerializationContext:
    """Tasks inside of functions can travel as pickles only."""
    return SerializationContext(
        version="v1", code_bundle=CodeBundle(computed_version="c", pkl="s3://b/code.pkl")
    )


def test_metadata() -> None:
    metadata = template(train).metadata

    assert metadata.runtime.type == tasks_pb2.RuntimeMetadata.FLYTE_SDK
    assert metadata.runtime.flavor == "python"
    assert (metadata.retries.retries, metadata.retries.backoff.factor) == (3, 3.0)
    assert metadata.retries.backoff.base.ToTimedelta() == timedelta(seconds=2)
    assert metadata.retries.backoff.cap.ToTimedelta() == timedelta(minutes=1)
    assert metadata.timeout.ToTimedelta() == timedelta(seconds=60)
    assert metadata.timeouts.queued_timeout.ToTimedelta() == timedelta(seconds=30)
    assert metadata.timeouts.deadline.ToTimedelta() == timedelta(seconds=600)
    assert (metadata.discoverable, metadata.discovery_version) == (True, "cv")
    assert (metadata.cache_serializable, list(metadata.cache_ignore_input_vars)) == (
        True,
        ["verbose"],
    )
    assert metadata.cache_max_age.ToTimedelta() == timedelta(seconds=60)
    assert metadata.generates_deck.value
    assert metadata.is_entrypoint
    assert metadata.interruptible
    assert metadata.debuggable
    assert metadata.code_bundle_uri == "s3://b/fast.tar.gz"


def test_what_is_not_said_is_not_sent() -> None:
    metadata = template(plain).metadata

    assert not metadata.discoverable
    assert not metadata.HasField("timeout")
    assert not metadata.HasField("timeouts")
    assert not metadata.retries.HasField("backoff")
    assert not metadata.pod_template_name


def test_container_and_command_line() -> None:
    container = template(train).container

    assert (container.image, list(container.command)) == ("registry/image:1", [])
    assert " ".join(container.args) == (
        "a0 --inputs {{.input}} --outputs-path {{.outputPrefix}} --version v1 --raw-data-path {{.rawOutputDataPrefix}} "
        "--checkpoint-path {{.checkpointOutputPrefix}} --prev-checkpoint {{.prevCheckpointPrefix}} "
        "--run-name {{.runName}} --name {{.actionName}} --run-start-time {{.runStartTime}} "
        "--tgz s3://b/fast.tar.gz --dest /root "
        f"--resolver flyte._runtime.loader.ModuleLoader mod {__name__} instance train"
    )
    assert [(pair.key, pair.value) for pair in container.env] == [("B", "2"), ("A", "1")]
    names = tasks_pb2.Resources.ResourceName
    assert [(names.Name(e.name), e.value) for e in container.resources.requests] == [
        ("CPU", "1"),
        ("MEMORY", "1Gi"),
    ]
    assert [(names.Name(e.name), e.value) for e in container.resources.limits] == [("CPU", "2")]


def test_an_override_is_found_under_the_name_of_its_task() -> None:
    args = list(template(plain.override(retries=5)).container.args)

    assert args[-4:] == ["mod", __name__, "instance", "plain"]


def test_a_pickled_task_needs_no_resolver() -> None:
    args = list(template(plain, _interactive()).container.args)

    assert args[-4:] == ["--pkl", "s3://b/code.pkl", "--dest", "."]


def test_a_task_without_a_name_of_its_own_is_refused() -> None:
    @env.task
    def hidden() -> None: ...

    with pytest.raises(errors.ModuleLoadError, match=r"digits\.hidden has no name of its own"):
        template(hidden)


def test_a_script_is_found_by_its_place_under_the_root(tmp_path: Path) -> None:
    script = tmp_path / "examples" / "job.py"
    script.parent.mkdir()
    script.write_text(
        "from pathlib import Path\n"
        "from flyte._task_environment import TaskEnvironment\n"
        "from flyte._wire.task_spec import SerializationContext, task_spec\n"
        "env = TaskEnvironment(name='e', image='i')\n"
        "@env.task\n"
        "def main() -> None: ...\n"
        f"context = SerializationContext(version='v', root_dir=Path({str(tmp_path)!r}))\n"
        "print(*task_spec(main, context).task_template.container.args[-4:])\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["mod", "examples.job", "instance", "main"]


def test_secrets_and_service_account() -> None:
    context = template(train).security_context

    assert context.run_as.k8s_service_account == "robot"
    by_variable, by_file = context.secrets
    assert (by_variable.key, by_variable.group, by_variable.env_var) == (
        "api-key",
        "openai",
        "OPENAI_API_KEY",
    )
    assert by_variable.mount_requirement == security_pb2.Secret.ENV_VAR
    assert by_file.mount_requirement == security_pb2.Secret.FILE
    assert not template(pooled).HasField("security_context")


@pytest.mark.parametrize(
    ("gpu", "device", "device_class", "partition"),
    [
        (GPU("A100", 1, "1g.5gb"), "nvidia-tesla-a100", 0, "1g.5gb"),
        ("T4:2", "nvidia-tesla-t4", 0, ""),
        ("H200:1", "H200", 0, ""),
        (TPU("V5P", "2x2x1"), "tpu-v5p-slice", 1, "2x2x1"),
        ("Trn1:4", "Trn1", 2, ""),
        (AMD_GPU("MI300X"), "MI300X", 3, ""),
        (Device(1, "APPLE_SILICON", "AppleSilicon"), "AppleSilicon", 5, ""),
    ],
)
def test_accelerators(gpu: Any, device: str, device_class: int, partition: str) -> None:
    sent = template(plain.override(resources=Resources(gpu=gpu, shm="auto", disk="1Gi")))
    accelerator = sent.extended_resources.gpu_accelerator

    assert (accelerator.device, accelerator.device_class) == (device, device_class)
    assert accelerator.partition_size == partition
    assert sent.extended_resources.shared_memory.mount_path == "/dev/shm"
    assert sent.extended_resources.shared_memory.size_limit == ""
    names = tasks_pb2.Resources.ResourceName
    assert {names.Name(entry.name) for entry in sent.container.resources.requests} == {
        "GPU",
        "EPHEMERAL_STORAGE",
    }


def test_a_number_of_gpus_names_no_device() -> None:
    sent = template(plain.override(resources=Resources(gpu=2)))

    assert not sent.HasField("extended_resources")
    assert sent.container.resources.requests[0].value == "2"


def test_no_resources_are_sent_as_none() -> None:
    assert not template(pooled).container.HasField("resources")


def test_a_pod_template_becomes_a_pod() -> None:
    pod_spec = {
        "containers": [
            {
                "name": "main",
                "env": [{"name": "T", "value": "t"}],
                "resources": {"requests": {"cpu": "9", "x/y": "1"}},
            },
            {"name": "proxy", "image": "proxy:1"},
        ],
        "priorityClassName": "high",
    }
    pod = PodTemplate(
        pod_spec, "main", labels={"l": "1"}, annotations={"a": "2"}
    ).with_termination_grace_period(120)
    sent = template(plain.override(pod_template=pod))

    assert sent.WhichOneof("target") == "k8s_pod"
    assert sent.config["primary_container_name"] == sent.k8s_pod.primary_container_name == "main"
    assert (dict(sent.k8s_pod.metadata.labels), dict(sent.k8s_pod.metadata.annotations)) == (
        {"l": "1"},
        {"a": "2"},
    )
    spec = json_format.MessageToDict(sent.k8s_pod.pod_spec)
    assert (spec["priorityClassName"], spec["terminationGracePeriodSeconds"]) == ("high", 120)
    main, proxy = spec["containers"]
    assert (main["args"][:2], main["image"]) == (["a0", "--inputs"], "registry/image:1")
    assert [variable["name"] for variable in main["env"]] == ["B", "A", "T"]
    assert main["resources"] == {
        "requests": {"cpu": "1", "memory": "1Gi", "x/y": "1"},
        "limits": {"cpu": "2"},
    }
    assert proxy == {"name": "proxy", "image": "proxy:1"}
    assert pod_spec["containers"][0].keys() == {
        "name",
        "env",
        "resources",
    }  # the user's own stays as it was


def test_a_pod_template_may_be_a_name_or_lack_its_container() -> None:
    assert (
        template(plain.override(pod_template="gpu-nodes")).metadata.pod_template_name == "gpu-nodes"
    )
    wrong = PodTemplate({"containers": [{"name": "a"}]})
    with pytest.raises(
        errors.DefinitionError, match=r"digits\.plain.*no container 'primary' \(it has a\)"
    ):
        template(plain.override(pod_template=wrong))


def test_a_reusable_task_names_its_pool() -> None:
    sent, other = template(pooled), template(neighbour)

    policy = sent.reuse_policy
    assert (policy.min_replicas, policy.max_replicas, policy.concurrency) == (1, 4, 5)
    assert (policy.idle_ttl.seconds, policy.scaledown_ttl.seconds) == (60, 45)
    assert policy.scope == tasks_pb2.ReusePolicy.RUN
    assert sent.type == "actor"
    assert sent.custom["name"] == "warm"
    assert sent.custom["spec"]["replica_count"] == 4
    assert sent.custom["version"] == other.custom["version"]
    assert (
        sent.custom["version"]
        != template(pooled.override(reusable=ReusePolicy())).custom["version"]
    )
    assert not sent.metadata.debuggable


def test_an_image_that_is_built_goes_by_its_address() -> None:
    image = Image.from_debian_base(name="mine", registry="r").with_pip_packages("numpy")
    layered = TaskEnvironment(name="layered", image=image)

    @layered.task
    def job() -> None: ...

    assert template(job, _interactive()).container.image == image.uri


def test_defaults_travel_as_literals() -> None:
    (default,) = task_spec.task_spec(train, CONTEXT).default_inputs

    assert default.name == "verbose"
    assert default.parameter.default.scalar.primitive.WhichOneof("value") == "boolean"


def test_specifications_are_equal_byte_for_byte() -> None:
    first, second = (
        task_spec.task_spec(train, CONTEXT).SerializeToString(deterministic=True) for _ in range(2)
    )

    assert first == second


def test_the_cache_key_depends_on_what_matters() -> None:
    def key(task: Any, **arguments: Any) -> str | None:
        inputs = drive(values.inputs(NativeInterface.from_callable(task.func), arguments))
        return keys.key(template(task), inputs)

    assert key(plain, x=1) is None
    assert key(train, rate=0.5, verbose=True) == key(train, rate=0.5, verbose=False)
    assert key(train, rate=0.5) != key(train, rate=0.6)
    newer = train.override(cache=Cache("auto", version_override="newer"))
    assert key(train, rate=0.5) != key(newer, rate=0.5)


def test_the_identity_for_names_is_the_tasks_name() -> None:
    assert task_spec.task_hash(plain) == task_spec.task_hash(plain.override(retries=9))
    assert task_spec.task_hash(plain) != task_spec.task_hash(train)


def test_the_options_of_a_run() -> None:
    spec = run_spec.run_spec(
        env_vars={"LOG_LEVEL": "10"},
        labels={"team": "a"},
        annotations={"why": "b"},
        overwrite_cache=True,
        cache_lookup_scope="project-domain",
        interruptible=False,
        queue="q",
        max_action_concurrency=7,
        raw_data_path="s3://b/raw",
        service_account="robot",
    )

    assert [(pair.key, pair.value) for pair in spec.envs.values] == [("LOG_LEVEL", "10")]
    assert (dict(spec.labels.values), dict(spec.annotations.values)) == (
        {"team": "a"},
        {"why": "b"},
    )
    assert spec.cache_config.overwrite_cache
    assert spec.cache_config.cache_lookup_scope == run_pb2.CACHE_LOOKUP_SCOPE_PROJECT_DOMAIN
    assert spec.HasField("interruptible")
    assert not spec.interruptible.value
    assert (spec.queue, spec.max_action_concurrency) == ("q", 7)
    assert spec.raw_data_storage.raw_data_prefix == "s3://b/raw"
    assert spec.security_context.run_as.k8s_service_account == "robot"


def test_a_run_without_options_leaves_the_choice_to_the_control_plane() -> None:
    spec = run_spec.run_spec()

    assert not spec.HasField("interruptible")
    assert not spec.HasField("raw_data_storage")
    assert (spec.queue, spec.max_action_concurrency) == ("", 0)
