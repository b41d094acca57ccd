"""What plugins import from `flyte.extend`, used as they use it."""

import io
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flyteidl2.core import tasks_pb2

import flyte
from flyte import _session, errors, extend
from flyte._wire import loading, task_spec
from flyte._wire.task_spec import SerializationContext
from flyte.models import CodeBundle, NativeInterface

CONTEXT = SerializationContext(version="v1", project="p", domain="d")
NOTHING = NativeInterface({}, {})


@dataclass(frozen=True)
class Cluster:
    workers: int


@dataclass(frozen=True)
class BigCluster(Cluster):
    spare: int = 1


class ClusterTask(extend.AsyncFunctionTaskTemplate[..., Any, Any]):
    """A kind of task with everything that a plugin can add."""

    plugin_config: Cluster

    def config(self, sctx: Any) -> dict[str, str]:
        return {"kind": "cluster", "version": sctx.version}

    def custom_config(self, sctx: Any) -> dict[str, Any]:
        return {"workers": self.plugin_config.workers, "zones": ["a", "b"]}

    async def pre(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        return {"given": kwargs, "workers": self.plugin_config.workers}

    async def post(self, return_vals: Any) -> Any:
        return f"{return_vals}!" if isinstance(return_vals, str) else None


@pytest.fixture
def env() -> flyte.TaskEnvironment:
    return flyte.TaskEnvironment("clustered", plugin_config=Cluster(3))


# --- plugins by configuration ---------------------------------------------------------------------


def test_the_configuration_chooses_the_kind_of_task(env: flyte.TaskEnvironment) -> None:
    @env.task(retries=2)
    def work(n: int) -> int:
        return n

    assert isinstance(work, ClusterTask)
    assert (work.plugin_config, work.name) == (Cluster(3), "clustered.work")
    assert extend.TaskPluginRegistry.find(Cluster) is ClusterTask
    assert extend.TaskPluginRegistry.find(BigCluster) is ClusterTask, "it inherits from Cluster"
    assert extend.TaskPluginRegistry.find(int) is None
    assert extend.TaskPluginRegistry.list_plugins()[Cluster] is ClusterTask


def test_a_configuration_that_no_plugin_knows() -> None:
    env = flyte.TaskEnvironment("e", plugin_config={"workers": 3})
    with pytest.raises(
        errors.DefinitionError, match=r"environment 'e': no plugin .*dict\(…\); import the package"
    ):
        env.task(worker)


@pytest.mark.parametrize(
    ("config", "plugin", "complaint"),
    [
        (Cluster(1), ClusterTask, "takes the class of the configuration"),
        (
            Cluster,
            extend.TaskTemplate,
            "takes a subclass of flyte.extend.AsyncFunctionTaskTemplate",
        ),
        (Cluster, "ClusterTask", "takes a subclass"),
    ],
)
def test_what_cannot_be_registered(config: Any, plugin: Any, complaint: str) -> None:
    with pytest.raises(errors.DefinitionError, match=complaint):
        extend.TaskPluginRegistry.register(config, plugin)


def test_an_override_changes_the_configuration_but_not_the_kind(env: flyte.TaskEnvironment) -> None:
    @env.task
    def work() -> str:
        return "done"

    more = work.override(plugin_config=Cluster(9))
    assert isinstance(more, ClusterTask)
    assert more.plugin_config.workers == 9
    with pytest.raises(errors.DefinitionError, match=r"must be a Cluster, got dict; put the task"):
        work.override(plugin_config={"workers": 9})


free = flyte.TaskEnvironment("free")


@free.task
def plain_task() -> str:
    return "plain"


async def test_pre_and_post_surround_the_work(env: flyte.TaskEnvironment) -> None:
    seen: list[Any] = []

    @env.task
    async def one(text: str) -> str:
        seen.append(flyte.ctx().data)  # type: ignore[union-attr]
        return text

    @env.task
    def two(text: str) -> str:
        seen.append(flyte.ctx().data)  # type: ignore[union-attr]
        return text

    @env.task
    async def number() -> int:
        return 3

    local = flyte.with_runcontext(mode="local")
    assert (await local.run.aio(one, text="a")).outputs() == ("a!",)
    assert (await local.run.aio(two, text="b")).outputs() == ("b!",)
    assert (await local.run.aio(number)).outputs() == (3,), "None leaves what was returned"
    assert seen == [{"given": {"text": text}, "workers": 3} for text in "ab"]


def test_a_plain_function_of_a_plugin_may_call_tasks(env: flyte.TaskEnvironment) -> None:
    @env.task
    def outer() -> str:
        return plain_task()

    assert not outer.is_plain
    assert plain_task.is_plain
    assert flyte.with_runcontext(mode="local").run(outer).outputs() == ("plain!",)


def worker() -> None: ...


extend.TaskPluginRegistry.register(Cluster, ClusterTask)
hooked = flyte.TaskEnvironment("hooked", plugin_config=Cluster(3)).task(worker)


def test_hooks_are_part_of_the_specification() -> None:
    template = task_spec.task_spec(hooked, CONTEXT).task_template
    assert dict(template.config) == {"kind": "cluster", "version": "v1"}
    assert template.custom["workers"] == 3
    assert list(template.custom["zones"]) == ["a", "b"]
    assert template.container.args[0] == "a0"


# --- templates ------------------------------------------------------------------------------------


class Shout(extend.RuntimeTaskTemplate[..., Any, Any]):
    async def execute(self, text: str) -> str:
        return text.upper()


shout = Shout(
    name="texts.shout",
    interface=NativeInterface.from_types({"text": (str, NativeInterface.no_default)}, {"o0": str}),
)


async def test_a_template_with_work_of_its_own() -> None:
    assert await shout(text="a") == await shout.aio(text="a") == "A"
    assert flyte.with_runcontext(mode="local").run(shout, text="b").outputs() == ("B",)


def test_a_worker_finds_a_template_by_its_module_and_name() -> None:
    args = list(task_spec.task_spec(shout, CONTEXT).task_template.container.args)
    assert args == shout.container_args(CONTEXT)
    assert args[args.index("--resolver") + 1 :] == [
        loading.RESOLVER, "mod", __name__, "instance", "shout",
    ]  # fmt: skip
    assert shout.override(retries=3).container_args(CONTEXT)[-1] == "shout"


def test_a_template_without_a_module() -> None:
    hidden = Shout(name="texts.hidden", interface=NOTHING)
    with pytest.raises(errors.ModuleLoadError, match=r"texts\.hidden is in no module"):
        hidden.container_args(CONTEXT)


class Resolver:
    import_path = "acme.resolvers.Resolver"

    def loader_args(self, task: Any, root_dir: Path | None) -> list[str]:
        return ["task", task.name]


def test_a_resolver_of_ones_own() -> None:
    found = Shout(name="texts.found", interface=NOTHING, task_resolver=Resolver())
    args = found.container_args(CONTEXT)
    assert args[-4:] == ["--resolver", "acme.resolvers.Resolver", "task", "texts.found"]


class Statement(extend.TaskTemplate[..., Any, Any]):
    def sql(self, sctx: Any) -> str | None:
        return "select 1"


class Raw(extend.TaskTemplate[..., Any, Any]):
    def container_args(self, serialize_context: Any) -> list[str]:
        return ["wc", "-l", "/data/input"]

    def data_loading_config(self, sctx: Any) -> Any:
        return tasks_pb2.DataLoadingConfig(enabled=True, input_path="/data/input")


def test_templates_for_other_backends() -> None:
    statement = task_spec.task_spec(Statement(name="q", interface=NOTHING), CONTEXT).task_template
    assert statement.sql.statement == "select 1"
    assert statement.WhichOneof("target") == "sql"
    raw = task_spec.task_spec(Raw(name="r", interface=NOTHING, image="alpine:3"), CONTEXT)
    container = raw.task_template.container
    assert (container.image, list(container.args)) == ("alpine:3", ["wc", "-l", "/data/input"])
    assert container.data_config.input_path == "/data/input"
    bare = extend.TaskTemplate(name="b", interface=NOTHING, task_type="elsewhere")
    assert task_spec.task_spec(bare, CONTEXT).task_template.WhichOneof("target") is None


# --- resources ------------------------------------------------------------------------------------


def test_resources_as_messages() -> None:
    asked = flyte.Resources(cpu=(1, 2), memory="1Gi", gpu="A100:2", shm="2Gi")
    resources = extend.get_proto_resources(asked)
    assert resources is not None
    assert [(each.name, each.value) for each in resources.limits] == [
        (tasks_pb2.Resources.CPU, "2")
    ]
    extended = extend.get_proto_extended_resources(asked)
    assert extended is not None
    assert extended.gpu_accelerator.device == "nvidia-tesla-a100"
    assert extended.shared_memory.size_limit == "2Gi"
    assert extend.get_proto_resources(None) is None
    assert extend.get_proto_extended_resources(flyte.Resources(cpu=1)) is None


def test_resources_as_a_pod() -> None:
    spec = extend.pod_spec_from_resources(
        requests=flyte.Resources(cpu=(1, 2), memory="1Gi", gpu=1, disk="10Gi", shm="auto"),
        limits=flyte.Resources(memory="2Gi"),
    )
    (container,) = spec.containers
    assert container.name == extend.PRIMARY_CONTAINER_DEFAULT_NAME == "primary"
    assert container.resources.requests == {
        "cpu": "1", "memory": "1Gi", "nvidia.com/gpu": "1", "ephemeral-storage": "10Gi",
    }  # fmt: skip
    assert container.resources.limits == {"cpu": "2", "memory": "2Gi", "nvidia.com/gpu": "1"}
    assert spec.volumes[0].empty_dir.medium == "Memory"
    assert container.volume_mounts[0].mount_path == "/dev/shm"
    podded = hooked.override(pod_template=flyte.PodTemplate(spec))
    pod = task_spec.task_spec(podded, CONTEXT).task_template.k8s_pod
    assert pod.pod_spec["containers"][0]["resources"]["limits"]["cpu"] == "2"


def test_a_pod_with_other_names_and_nothing_asked_for() -> None:
    spec = extend.pod_spec_from_resources("main", k8s_gpu_resource_key="amd.com/gpu")
    assert (spec.containers[0].name, spec.volumes) == ("main", None)
    assert spec.containers[0].resources.requests == {}
    asked = flyte.Resources(gpu=2)
    spec = extend.pod_spec_from_resources("main", asked, k8s_gpu_resource_key="amd.com/gpu")
    assert spec.containers[0].resources.limits == {"amd.com/gpu": "2"}


# --- modules, sessions, code ----------------------------------------------------------------------


def test_a_lazy_module_is_imported_on_first_use(tmp_path: Path) -> None:
    (tmp_path / "heavy.py").write_text("print('imported')\nanswer = 42\n")
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from flyte._kit.lazy import lazy_module\n"
        "heavy = lazy_module('heavy')\n"
        "assert 'heavy' not in sys.modules\n"
        "print(heavy)\n"
        "print(heavy.answer, 'answer' in dir(heavy))\n"
        "assert lazy_module('heavy') is sys.modules['heavy']\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.stdout == "<lazy module 'heavy'>\nimported\n42 True\n", done.stderr


def test_a_lazy_module_that_is_not_installed_says_what_to_install() -> None:
    missing = extend.lazy_module("no_such_package.part")
    assert not hasattr(missing, "__path__")
    with pytest.raises(ImportError, match="pip install no_such_package"):
        missing.anything  # noqa: B018 - the use is what fails


def test_whether_a_session_was_chosen() -> None:
    with _session.using(_session.Session()):
        assert extend.is_initialized()


def content(path: Path) -> bytes:
    return path.read_bytes()


def cut(path: Path, size: int) -> None:
    path.write_bytes(path.read_bytes()[:size])


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "store" / "code.tar.gz"
    path.parent.mkdir()
    with tarfile.open(path, "w:gz") as tar:
        member = tarfile.TarInfo("pkg/mod.py")
        member.size = 5
        tar.addfile(member, io.BytesIO(b"x = 1"))
    return path


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


async def test_a_code_bundle_is_fetched_and_unpacked(archive: Path, elsewhere: Path) -> None:
    bundle = CodeBundle(computed_version="v1", tgz=str(archive), destination="code")
    got = await extend.download_code_bundle(bundle)
    assert got.downloaded_path == elsewhere / "code"
    assert content(elsewhere / "code" / "pkg" / "mod.py") == b"x = 1"
    assert got.with_downloaded_path(Path("x")).tgz == bundle.tgz


async def test_a_pickled_bundle_is_fetched(archive: Path, elsewhere: Path) -> None:
    got = await extend.download_code_bundle(CodeBundle(computed_version="v1", pkl=str(archive)))
    assert got.downloaded_path == elsewhere / "code.tar.gz"
    assert content(got.downloaded_path) == content(archive)


@pytest.mark.usefixtures("elsewhere")
async def test_bundles_that_cannot_be_had(archive: Path) -> None:
    with pytest.raises(errors.CodeBundleError, match="'v1' has no address"):
        await extend.download_code_bundle(CodeBundle(computed_version="v1"))
    cut(archive, 40)
    with pytest.raises(errors.CodeBundleError, match="cannot be unpacked"):
        await extend.download_code_bundle(CodeBundle(computed_version="v1", tgz=str(archive)))
    missing = str(archive.with_name("gone.tgz"))
    with pytest.raises(errors.StorageNotFoundError):
        await extend.download_code_bundle(CodeBundle(computed_version="v1", tgz=missing))
