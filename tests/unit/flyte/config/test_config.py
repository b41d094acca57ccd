from pathlib import Path

import pytest

from flyte import errors
from flyte.config import Config, PlatformConfig, TaskConfig, auto, get_config_file, set_if_exists


@pytest.fixture(autouse=True)
def empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with no configuration in sight (the home directory is a fresh one, too)."""
    here = tmp_path / "project"
    here.mkdir()
    monkeypatch.chdir(here)
    return here


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_without_a_file_everything_is_default() -> None:
    assert auto() == Config()
    assert auto().source is None
    assert auto().platform.endpoint is None


def test_every_section_of_the_official_format_is_read(empty_directory: Path) -> None:
    path = write(
        empty_directory / "config.yaml",
        """
        admin:
          endpoint: dns:///flyte.example.com
          insecure: true
          insecureSkipVerify: true
          caCertFilePath: /ca.pem
          authType: Pkce
          command: [token, get]
          scopes: all
        task: {org: acme, project: weather, domain: production}
        image: {builder: remote, image_refs: {base: "ghcr.io/acme/base:1"}}
        local: {persistence: true}
        """,
    )
    config = auto()
    assert config.source == path
    assert config.platform.endpoint == "dns:///flyte.example.com"
    assert config.platform.insecure
    assert config.platform.insecure_skip_verify
    assert config.platform.ca_cert_file_path == "/ca.pem"
    assert config.platform.command == ["token", "get"]
    assert config.platform.scopes == ["all"]
    assert config.task == TaskConfig("acme", "weather", "production")
    assert config.image.builder == "remote"
    assert config.image.image_refs == {"base": "ghcr.io/acme/base:1"}
    assert config.local.persistence


def test_search_order(
    empty_directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def project() -> str | None:
        return auto().task.project

    write(tmp_path / ".flyte" / "config.yaml", "task: {project: home}")
    assert project() == "home"
    write(empty_directory / ".flyte" / "config.yaml", "task: {project: hidden}")
    assert project() == "hidden"
    write(empty_directory / "config.yaml", "task: {project: here}")
    assert project() == "here"
    monkeypatch.setenv("UCTL_CONFIG", str(write(tmp_path / "u.yaml", "task: {project: uctl}")))
    assert project() == "uctl"
    monkeypatch.setenv("FLYTECTL_CONFIG", str(write(tmp_path / "f.yaml", "task: {project: ctl}")))
    assert project() == "ctl"
    explicit = write(tmp_path / "x.yaml", "task: {project: explicit}")
    assert auto(explicit).task.project == "explicit"
    assert auto(str(explicit)).task.project == "explicit"


def test_a_file_that_was_read_is_taken_as_it_is(tmp_path: Path) -> None:
    file = get_config_file(write(tmp_path / "x.yaml", "task: {project: p}"))
    assert file is not None
    assert auto(file).task.project == "p"


def test_unknown_entries_belong_to_other_tools(empty_directory: Path) -> None:
    write(empty_directory / "config.yaml", "admin: {authorizationHeader: x}\nlogger: {level: 4}\n")
    assert auto().platform == PlatformConfig()


def test_empty_files_and_sections_are_fine(empty_directory: Path) -> None:
    write(empty_directory / "config.yaml", "")
    assert auto().task == TaskConfig()
    write(empty_directory / "config.yaml", "task:\nadmin:\n  endpoint:\n")
    assert auto().platform == PlatformConfig()


@pytest.mark.parametrize(
    ("text", "entry", "expected"),
    [
        ("admin: {insecure: 'yes'}", "admin.insecure", "true or false"),
        ("task: {project: 7}", "task.project", "a string"),
        ("admin: {defaultRpcRetries: true}", "admin.defaultRpcRetries", "a whole number"),
        ("admin: {command: {a: b}}", "admin.command", "a list of strings"),
        ("admin: {command: [1]}", "admin.command", "a list of strings"),
        ("image: {image_refs: {a: 1}}", "image.image_refs", "a mapping of strings"),
        ("task: classification", "task", "a mapping"),
    ],
)
def test_a_wrong_type_names_file_entry_and_what_is_expected(
    empty_directory: Path, text: str, entry: str, expected: str
) -> None:
    path = write(empty_directory / "config.yaml", text)
    with pytest.raises(errors.ConfigError) as raised:
        auto()
    assert str(raised.value).startswith(f"{path}: {entry} must be {expected}")


def test_malformed_yaml_names_file_and_line(empty_directory: Path) -> None:
    path = write(empty_directory / "config.yaml", "task:\n  project: [a\n  domain: b\n")
    with pytest.raises(errors.ConfigError, match=r"config\.yaml, line 3: "):
        auto()
    path.write_text("- just\n- a list\n")
    with pytest.raises(errors.ConfigError, match="must be a mapping with the sections"):
        auto()


def test_a_file_that_was_named_must_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(errors.ConfigError, match=r"nowhere\.yaml does not exist"):
        auto(tmp_path / "nowhere.yaml")
    monkeypatch.setenv("FLYTECTL_CONFIG", str(tmp_path / "gone.yaml"))
    with pytest.raises(errors.ConfigError, match=r"gone\.yaml does not exist; .*FLYTECTL_CONFIG"):
        auto()


def test_a_configuration_with_other_sections_is_a_copy() -> None:
    config = Config(task=TaskConfig(project="a"))
    other = config.with_params(platform=PlatformConfig(endpoint="local"))
    assert other.platform.endpoint == "local"
    assert other.task.project == "a"
    assert config.platform.endpoint is None


def test_set_if_exists_leaves_out_what_is_empty() -> None:
    found: dict[str, object] = {}
    set_if_exists(found, "a", None)
    set_if_exists(found, "b", "")
    set_if_exists(found, "c", False)
    set_if_exists(found, "d", "x")
    assert found == {"c": False, "d": "x"}
