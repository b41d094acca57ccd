"""Image: an immutable chain of layers."""

from pathlib import Path
from typing import Any

import pytest

import flyte
from flyte import errors
from flyte._image import image
from flyte._image_layers import AptPackages, Commands, PipPackages

debian = flyte.Image.from_debian_base(name="trainer", registry="ghcr.io/acme")


def test_each_step_is_a_new_image() -> None:
    with_numpy = debian.with_pip_packages("numpy")
    assert with_numpy is not debian
    assert debian.layers == with_numpy.layers[:-1]
    assert with_numpy.layers[-1] == PipPackages(("numpy",))
    assert with_numpy != debian
    assert with_numpy == debian.with_pip_packages("numpy")


def test_address_follows_the_content() -> None:
    with_numpy = debian.with_pip_packages("numpy")
    assert with_numpy.uri.startswith("ghcr.io/acme/trainer:")
    assert with_numpy.uri != debian.uri
    assert with_numpy.uri == debian.with_pip_packages("numpy").uri
    assert with_numpy.with_pip_packages("a").uri != with_numpy.with_apt_packages("a").uri
    assert flyte.Image.from_base("python:3.12").uri == "python:3.12"
    assert flyte.Image.from_debian_base((3, 12)).uri != flyte.Image.from_debian_base((3, 11)).uri


def test_address_is_the_same_wherever_the_files_lie() -> None:
    here = debian.with_requirements("/home/ann/project/requirements.txt")
    there = debian.with_requirements(Path("requirements.txt"))
    assert here.uri == there.uri


def test_layers_of_equal_content_but_different_kind_differ() -> None:
    assert Commands(("git",)) != AptPackages(("git",))


def test_every_layer() -> None:
    made = (
        debian.with_pip_packages(
            "a", "b", index_url="https://pypi.acme", extra_index_urls="https://x"
        )
        .with_requirements("requirements.txt", pre=True)
        .with_uv_project("pyproject.toml", project_install_mode="install_project")
        .with_poetry_project("pyproject.toml")
        .with_pixi_project("pixi.toml", environment="gpu")
        .with_apt_packages("git", secret_mounts="token")
        .with_commands(["make", "make install"])
        .with_env_vars({"A": "1"})
        .with_workdir("/app")
        .with_dockerignore(Path(".dockerignore"))
        .with_source_folder(Path("src"), copy_contents_only=True)
        .with_source_file([Path("a.py"), Path("b.py")])
        .with_code_bundle()
    )
    assert len(made.layers) == len(debian.layers) + 13
    assert len({layer.kind for layer in made.layers}) == 10
    assert made.uri == made.clone().uri


def test_origins() -> None:
    assert flyte.Image.from_uv_script("job.py", name="job").layers[-1].kind == "script"
    assert flyte.Image.from_pixi_script("job.py", name="job").layers[-1].kind == "script"
    assert flyte.Image.from_ref_name("gpu").uri == "gpu"
    docker = flyte.Image.from_dockerfile("Dockerfile", "r", "n", platform="linux/arm64")
    assert docker.platform == ("linux/arm64",)
    assert docker.uri.startswith("r/n:")
    assert not flyte.Image.from_debian_base(install_flyte=False).layers


def test_existing_image_is_extended_under_a_name() -> None:
    base = flyte.Image.from_base("python:3.12")
    with pytest.raises(errors.DefinitionError, match=r"clone\(name=…, extendable=True\)"):
        base.with_apt_packages("git")
    with pytest.raises(errors.DefinitionError, match="needs a name"):
        base.clone(extendable=True)
    made = base.clone(name="mine", extendable=True).with_apt_packages("git")
    assert made.uri.startswith("mine:")
    assert made.base_image == "python:3.12"


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        (debian.with_pip_packages, "needs at least one name"),
        (lambda: debian.with_pip_packages(["a"]), r"write with_pip_packages\('a', 'b'\)"),
        (lambda: debian.with_commands("make"), "takes a list of commands"),
        (lambda: debian.with_uv_project("p", project_install_mode="all"), "project_install_mode"),
        (lambda: flyte.Image.from_debian_base(name="Träiner"), "image name 'Träiner' is not valid"),
        (lambda: flyte.Image.from_debian_base(platform=("amiga",)), "platform 'amiga'"),
        (lambda: flyte.Image(base_image="a", ref_name="b"), "one origin"),
        (lambda: image(3), "image must be a flyte.Image"),
    ],
)
def test_wrong_declarations_are_named(call: Any, complaint: str) -> None:
    with pytest.raises(errors.DefinitionError, match=complaint):
        call()


def test_every_form_of_request() -> None:
    assert image("auto") == image(None) == flyte.Image.from_debian_base()
    assert image("python:3.12") == flyte.Image.from_base("python:3.12")
    assert image(debian) is debian
