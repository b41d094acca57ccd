"""Who builds an image, and when nobody has to; with builders of the test's own."""

import asyncio
from pathlib import Path
from typing import Any, ClassVar

import pytest

import flyte
from flyte import _session, errors
from flyte.extend import Architecture, ImageBuildEngine, ImageBuilder, ImageChecker

BASE = flyte.Image.from_debian_base(name="trainer", registry="ghcr.io/acme")


class Registry(ImageChecker):
    """Has what the test says, and remembers what it was asked."""

    has: ClassVar[set[str]] = set()
    asked: ClassVar[list[tuple[str, str, tuple[Architecture, ...]]]] = []

    @classmethod
    async def image_exists(
        cls, repository: str, tag: str, arch: tuple[Architecture, ...] = ("linux/amd64",)
    ) -> str | None:
        cls.asked.append((repository, tag, arch))
        uri = f"{repository}:{tag}"
        return uri if uri in cls.has else None


class Builder(ImageBuilder):
    """Builds by writing it down."""

    def __init__(self, fails: int = 0) -> None:
        self.built: list[tuple[str, bool, bool, bool]] = []
        self.fails = fails
        self.gate = asyncio.Event()
        self.gate.set()

    async def build_image(
        self, image: flyte.Image, dry_run: bool, wait: bool = True, force: bool = False
    ) -> flyte.ImageBuild:
        await self.gate.wait()
        self.built.append((image.uri, dry_run, wait, force))
        if self.fails:
            self.fails -= 1
            raise OSError("the daemon does not answer")
        return flyte.ImageBuild(uri=f"{image.uri}-built", remote_run=None)

    def get_checkers(self) -> list[type[ImageChecker]] | None:
        return [Registry]


@pytest.fixture(autouse=True)
def empty_registry() -> None:
    Registry.has.clear()
    Registry.asked.clear()


@pytest.fixture
def builder() -> Builder:
    return Builder()


def image(package: str) -> flyte.Image:
    """An image that no other test of this process has built."""
    return BASE.with_pip_packages(package)


async def test_what_exists_as_it_is_needs_no_build(builder: Builder) -> None:
    default = flyte.Image.from_debian_base()
    for ready in (flyte.Image.from_base("python:3.12"), default):
        built = await ImageBuildEngine.build(ready, builder)
        assert built.uri == ready.uri
        assert await ImageBuildEngine.image_exists(ready) == ready.uri
    assert not builder.built
    assert not Registry.asked


async def test_an_image_with_layers_is_built_once(builder: Builder) -> None:
    wanted = image("once")
    first = await ImageBuildEngine.build(wanted, builder)
    again = await ImageBuildEngine.build(image("once"), builder)
    assert first.uri == again.uri == f"{wanted.uri}-built"
    assert builder.built == [(wanted.uri, False, True, False)]
    repository, _, tag = wanted.uri.rpartition(":")
    assert Registry.asked == [(repository, tag, ("linux/amd64",))]


async def test_what_a_checker_finds_is_not_built(builder: Builder) -> None:
    wanted = image("found")
    Registry.has.add(wanted.uri)
    assert (await ImageBuildEngine.build(wanted, builder)).uri == wanted.uri
    assert not builder.built


async def test_force_asks_nobody_and_builds_again(builder: Builder) -> None:
    wanted = image("forced")
    Registry.has.add(wanted.uri)
    for _ in range(2):
        assert (
            await ImageBuildEngine.build(wanted, builder, force=True)
        ).uri == f"{wanted.uri}-built"
    assert [force for *_, force in builder.built] == [True, True]
    assert not Registry.asked
    await ImageBuildEngine.build(wanted, builder)
    assert len(builder.built) == 2, "what was built by force is remembered too"


async def test_a_dry_run_and_an_unfinished_build_are_no_answers(builder: Builder) -> None:
    wanted = image("dry")
    await ImageBuildEngine.build(wanted, builder, dry_run=True)
    await ImageBuildEngine.build(wanted, builder, wait=False)
    await ImageBuildEngine.build(wanted, builder)
    assert [(dry_run, wait) for _, dry_run, wait, _ in builder.built] == [
        (True, True), (False, False), (False, True),
    ]  # fmt: skip


async def test_several_who_ask_at_once_get_one_build(builder: Builder) -> None:
    builder.gate.clear()
    asking = [asyncio.create_task(ImageBuildEngine.build(image("busy"), builder)) for _ in range(5)]
    await asyncio.sleep(0)
    builder.gate.set()
    assert {build.uri for build in await asyncio.gather(*asking)} == {f"{image('busy').uri}-built"}
    assert len(builder.built) == 1


async def test_who_waits_takes_over_when_the_first_gives_up(builder: Builder) -> None:
    builder.gate.clear()
    first = asyncio.create_task(ImageBuildEngine.build(image("given-up"), builder))
    await asyncio.sleep(0)
    second = asyncio.create_task(ImageBuildEngine.build(image("given-up"), builder))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    builder.gate.set()
    assert (await second).uri == f"{image('given-up').uri}-built"


async def test_a_failed_build_names_image_builder_and_next_step() -> None:
    builder, wanted = Builder(fails=1), image("failing")
    with pytest.raises(errors.ImageBuildError) as caught:
        await ImageBuildEngine.build(wanted, builder)
    for part in (
        wanted.uri,
        "'Builder'",
        "OSError: the daemon does not answer",
        "init(image_builder",
    ):
        assert part in str(caught.value)
    assert (await ImageBuildEngine.build(wanted, builder)).uri, "a failure is not remembered"


async def test_other_content_of_a_file_is_another_image(builder: Builder, tmp_path: Path) -> None:
    file = tmp_path / "requirements.txt"
    file.write_text("numpy==2.0\n")
    wanted = BASE.with_requirements(file)
    await ImageBuildEngine.build(wanted, builder)
    file.write_text("numpy==2.1\n")
    await ImageBuildEngine.build(wanted, builder)
    assert len(builder.built) == 2
    file.unlink()
    with pytest.raises(errors.ImageBuildError, match=r"made of .*requirements\.txt, which cannot"):
        await ImageBuildEngine.build(wanted, builder)


async def test_a_folder_counts_with_all_its_files(builder: Builder, tmp_path: Path) -> None:
    source = tmp_path / "src"
    (source / "deep").mkdir(parents=True)
    (source / "deep" / "a.py").write_text("1")
    wanted = BASE.with_source_folder(source)
    await ImageBuildEngine.build(wanted, builder)
    (source / "deep" / "b.py").write_text("2")
    await ImageBuildEngine.build(wanted, builder)
    assert len(builder.built) == 2


class Broken(Registry):
    @classmethod
    async def image_exists(
        cls, repository: str, tag: str, arch: tuple[Architecture, ...] = ("linux/amd64",)
    ) -> str | None:
        raise OSError("no route to registry")


class AskingBroken(Builder):
    def get_checkers(self) -> list[type[ImageChecker]] | None:
        return [Broken]


async def test_a_checker_that_fails_is_said_and_can_be_passed_over() -> None:
    builder, wanted = AskingBroken(), image("unsure")
    with pytest.raises(errors.ImageBuildError, match=r"Broken cannot tell.*no route.*force=True"):
        await ImageBuildEngine.build(wanted, builder)
    assert (await ImageBuildEngine.build(wanted, builder, force=True)).uri


async def test_without_any_builder_the_ways_out_are_named() -> None:
    with pytest.raises(errors.ImageBuildError) as caught:
        await ImageBuildEngine.build(image("alone"))
    for part in (image("alone").uri, "'local'", "flyte.plugins.image_builders", "endpoint='local'"):
        assert part in str(caught.value)
    assert await ImageBuildEngine.image_exists(image("alone")) is None
    with pytest.raises(errors.ImageBuildError, match=r"no image builder 'remote' \(known: local\)"):
        await ImageBuildEngine.build(image("alone"), builder="remote")


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A distribution with builders, as an installer would have left it."""
    (tmp_path / "acme_images.py").write_text(
        "import flyte\n"
        "class Acme:\n"
        "    async def build_image(self, image, dry_run, wait=True, force=False):\n"
        "        return flyte.ImageBuild(uri=f'acme/{image.name}:1', remote_run=None)\n"
        "    def get_checkers(self):\n        return None\n"
        "ready = Acme()\n"
        "def useless():\n    return 3\n"
    )
    info = tmp_path / "acme_images-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-images\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[flyte.plugins.image_builders]\n"
        "acme = acme_images:Acme\n"
        "acme-ready = acme_images:ready\n"
        "useless = acme_images:useless\n"
        "missing = acme_images:Missing\n"
    )
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("name", ["acme", "acme-ready"])
async def test_an_installed_builder_is_found_by_its_name(name: str) -> None:
    session = _session.Session(image_builder=name)
    with _session.using(session):
        assert (await ImageBuildEngine.build(image(name))).uri == "acme/trainer:1"
        assert (await flyte.build.aio(image(name))).uri == "acme/trainer:1"


@pytest.mark.usefixtures("installed")
async def test_an_installed_builder_that_is_none_is_named() -> None:
    with pytest.raises(errors.ImageBuildError, match="'useless' is int, which has no build_image"):
        await ImageBuildEngine.build(image("x"), "useless")
    with pytest.raises(
        errors.ImageBuildError, match=r"'missing' \(acme_images:Missing\) cannot be"
    ):
        await ImageBuildEngine.build(image("x"), "missing")
    with pytest.raises(errors.ImageBuildError, match="known: acme, acme-ready, local, missing"):
        await ImageBuildEngine.build(image("x"), "nobody")


def test_an_image_that_is_configured_by_name() -> None:
    session = _session.Session(images={"gpu": "ghcr.io/acme/gpu:3"})
    with _session.using(session):
        assert flyte.build(flyte.Image.from_ref_name("gpu")).uri == "ghcr.io/acme/gpu:3"
        with pytest.raises(errors.ImageBuildError, match=r"under the name 'cpu' \(known: gpu\)"):
            flyte.build(flyte.Image.from_ref_name("cpu"))


@pytest.mark.usefixtures("installed")
def test_all_images_of_environments_and_what_they_depend_on() -> None:
    leaf = flyte.TaskEnvironment("leaf", image="python:3.12")
    middle = flyte.TaskEnvironment("middle", image=image("middle"), depends_on=[leaf])
    root = flyte.TaskEnvironment("root", depends_on=[middle, leaf])
    with _session.using(_session.Session(image_builder="acme")):
        cache = flyte.build_images(root)
        assert cache.image_lookup == {
            "root": flyte.Image.from_debian_base().uri,
            "middle": "acme/trainer:1",
            "leaf": "python:3.12",
        }
        again = type(cache).from_transport(cache.to_transport)
        assert again.image_lookup == cache.image_lookup
        assert again.to_transport == cache.to_transport
        assert cache.repr()[2] == [("Environment", "leaf"), ("Image", "python:3.12")]
        seeded = flyte.build_images(middle, seed_cache=type(cache)(image_lookup={"leaf": "mine:1"}))
        assert seeded.image_lookup == {"leaf": "mine:1", "middle": "acme/trainer:1"}


def test_code_is_baked_in_only_if_it_is_not_sent() -> None:
    env = flyte.TaskEnvironment(
        "baked", image=flyte.Image.from_base("python:3.12").clone(name="b", extendable=True).with_code_bundle()
    )  # fmt: skip
    assert flyte.build_images(env).image_lookup == {"baked": "python:3.12"}
    with pytest.raises(errors.ImageBuildError):
        flyte.build_images(env, copy_style="none")


@pytest.mark.parametrize("text", ["", "not it", "bm8="])
def test_an_image_cache_that_cannot_be_read(text: str) -> None:
    kind: Any = type(flyte.build_images())
    with pytest.raises(errors.ImageBuildError, match="build and deploy again"):
        kind.from_transport(text)
