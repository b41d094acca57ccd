"""What an image becomes when a virtual environment takes its place."""

from pathlib import Path
from typing import Any

import pytest
from tests.wheels import wheel

import flyte
from flyte import _image, errors
from flyte._images._recipe import recipe

BASE = flyte.Image.from_debian_base(name="trainer")


def steps(image: flyte.Image) -> list[dict[str, Any]]:
    return recipe(image).payload()["steps"]


def test_packages_become_steps_in_the_order_of_the_layers() -> None:
    image = BASE.with_pip_packages("numpy>=2", "six", pre=True).with_pip_packages(
        "pandas",
        index_url="https://a/simple",
        extra_index_urls="https://b/simple",
        extra_args="--no-deps -q",
    )
    assert steps(image) == [
        {"kind": "install", "arguments": ["--prerelease", "allow", "numpy>=2", "six"]},
        {
            "kind": "install",
            "arguments": [
                *("--default-index", "https://a/simple", "--index", "https://b/simple"),
                *("--no-deps", "-q", "pandas"),
            ],
        },
    ]


def test_this_sdk_is_no_package_of_the_index() -> None:
    made = recipe(BASE)
    assert made.is_plain
    major, minor = _image.this_python()
    assert made.python == f"{major}.{minor}"
    with pytest.raises(errors.ImageBuildError, match=r"asks for version 0\.0\.1 of this SDK"):
        recipe(flyte.Image.from_debian_base(flyte_version="0.0.1"))


def test_a_requirements_file_has_what_it_includes(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "requirements.txt").write_text("six\n-r more/base.txt\n-c limits.txt\n")
    (tmp_path / "more" / "base.txt").write_text("iniconfig==2.0.0\n./w_one-1.0-py3-none-any.whl\n")
    (tmp_path / "limits.txt").write_text("six<2\n")
    one = wheel(tmp_path / "more", "w_one")
    made = recipe(BASE.with_requirements(tmp_path / "requirements.txt"))
    (step,) = made.steps
    constraints, requirements = step["arguments"][1], step["arguments"][3]
    assert step["arguments"] == ["-c", constraints, "-r", requirements]
    assert made.files[constraints] == {"text": "six<2\n"}
    ((checksum, (name, content)),) = made.contents.items()
    assert (name, content) == (one.name, one.read_bytes())
    text = made.files[requirements]["text"]
    assert text == f"six\niniconfig==2.0.0\n./{checksum[:16]}/{one.name}\n"


def test_a_wheel_of_this_machine_is_sent(tmp_path: Path) -> None:
    one = wheel(tmp_path, "w_one")
    made = recipe(BASE.with_pip_packages(str(one)))
    ((path, described),) = made.files.items()
    assert made.steps[0]["arguments"] == [path]
    assert list(made.contents) == [described["sha256"]]


def test_a_project_keeps_its_lock(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    (tmp_path / "uv.lock").write_text("version = 1\n")
    image = BASE.with_uv_project(tmp_path / "pyproject.toml", extra_args="--group gpu", pre=True)
    made = recipe(image)
    assert made.steps == [
        {
            "kind": "project",
            "folder": "./2",
            "export": ["--group", "gpu"],
            "arguments": ["--prerelease", "allow"],
        }
    ]
    assert made.files["./2/uv.lock"] == {"text": "version = 1\n"}


def test_a_script_brings_its_own_requirements(tmp_path: Path) -> None:
    script = tmp_path / "main.py"
    script.write_text("# /// script\n# dependencies = ['six']\n# ///\n")
    made = recipe(flyte.Image.from_uv_script(script, name="scripted"))
    assert made.steps == [{"kind": "install", "arguments": ["-r", "./1/main.py"]}]


def test_variables_and_sources(tmp_path: Path) -> None:
    (tmp_path / "data" / "deep").mkdir(parents=True)
    (tmp_path / "data" / "deep" / "a.txt").write_text("A")
    (tmp_path / "data" / "b.log").write_text("B")
    (tmp_path / "ignore").write_text("*.log\n")
    image = BASE.with_env_vars({"A": "1"}).with_env_vars({"A": "2"})
    image = image.with_dockerignore(tmp_path / "ignore").with_source_folder(tmp_path / "data")
    made = recipe(image)
    assert made.variables == {"A": "2"}
    assert made.payload()["sources"] == list(made.files)
    again = recipe(image)
    assert again.contents == made.contents  # the same bytes for the same files
    (tmp_path / "data" / "b.log").write_text("ignored")
    assert recipe(image).contents == made.contents
    (tmp_path / "data" / "deep" / "a.txt").write_text("other")
    assert recipe(image).contents != made.contents


@pytest.mark.parametrize(
    ("image", "layer", "next_step"),
    [
        (
            BASE.with_apt_packages("git", "libgomp1"),
            r"apt packages \(git, libgomp1\)",
            "install them on this machine",
        ),
        (BASE.with_commands(["make"]), "commands", "run them on this machine"),
        (
            flyte.Image.from_dockerfile("Dockerfile", registry="r", name="n"),
            "is built of Dockerfile",
            "from_debian_base",
        ),
        (
            flyte.Image.from_base("cuda:12").clone(name="c", extendable=True),
            "begins with cuda:12",
            "from_debian_base",
        ),
        (BASE.with_workdir("/srv"), "working directory /srv", "leave it out"),
        (
            BASE.with_pip_packages("six", secret_mounts="TOKEN"),
            "secrets in its layer of pip packages",
            "UV_INDEX",
        ),
        (BASE.with_poetry_project("pyproject.toml"), "is made by poetry", "with_requirements"),
        (BASE.with_source_file(Path(__file__), "/etc"), "copies files to /etc", "relative"),
        (
            BASE.with_requirements("nowhere.txt"),
            "nowhere.txt, which cannot be read",
            "correct the path",
        ),
    ],
)
def test_what_needs_an_image_builder_says_so(
    image: flyte.Image, layer: str, next_step: str
) -> None:
    with pytest.raises(errors.ImageBuildError, match=layer) as refused:
        recipe(image)
    assert next_step in str(refused.value)


def test_a_folder_as_a_requirement_is_refused(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("-e .\n")
    with pytest.raises(errors.ImageBuildError, match=r"'-e \.', a folder of this machine"):
        recipe(BASE.with_requirements(tmp_path / "requirements.txt"))
