import io
import logging
import os
import sys
import tarfile
from pathlib import Path
from types import ModuleType

import pytest

import flyte
from flyte import errors
from flyte._code import bundle
from flyte._code.bundle import Bundle, SourceFile


def module(name: str, file: Path | str | None) -> ModuleType:
    made = ModuleType(name)
    if file is not None:
        made.__file__ = str(file)
    return made


def write(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def names(found: list[Path], root: Path) -> list[str]:
    return [path.relative_to(root).as_posix() for path in found]


def test_a_path_that_leaves_the_root_again_is_not_below_it(tmp_path: Path) -> None:
    # A command started as ../.venv/bin/flyte has such a file.
    root = tmp_path / "project"
    write(root / "own.py")
    outside = write(tmp_path / "bin" / "flyte.py")
    spelled = {
        "__main__": module("__main__", f"{root}/../bin/{outside.name}"),
        "own": module("own", f"{root}/../project/own.py"),
    }
    assert names(bundle.loaded_files(root, spelled), root) == ["own.py"]


def test_loaded_modules_below_the_root_are_chosen(tmp_path: Path) -> None:
    root = tmp_path / "project"
    modules = {
        "__main__": module("__main__", write(root / "jobs" / "sweep.py")),
        "helpers": module("helpers", write(root / "jobs" / "helpers.py")),
        "pkg": module("pkg", write(root / "src" / "pkg" / "__init__.py")),
        "elsewhere": module("elsewhere", write(tmp_path / "other" / "elsewhere.py")),
        "namespace": module("namespace", None),
        "deleted": module("deleted", root / "deleted.py"),
        "compiled": module("compiled", write(root / "__pycache__" / "compiled.pyc")),
        "installed": module("installed", write(root / "env/lib/site-packages/installed.py")),
        "os": os,
        "sdk": flyte,
    }
    found = bundle.loaded_files(root, modules)
    assert names(found, root) == ["jobs/helpers.py", "jobs/sweep.py", "src/pkg/__init__.py"]


def test_modules_of_the_sdk_are_never_user_code() -> None:
    repository = Path(flyte.__file__).parents[2]
    found = bundle.loaded_files(repository, {"flyte": flyte, "flyte.errors": errors})
    assert found == []


def test_a_lazy_module_is_not_loaded_by_looking(tmp_path: Path) -> None:
    class Lazy(ModuleType):
        def __getattr__(self, name: str) -> object:
            raise AssertionError(f"{name} was asked for")

    assert bundle.loaded_files(tmp_path, {"lazy": Lazy("lazy")}) == []


def test_a_root_behind_a_symbolic_link_is_the_same_root(tmp_path: Path) -> None:
    real = tmp_path / "real"
    write(real / "job.py")
    (tmp_path / "link").symlink_to(real)
    found = bundle.loaded_files(real, {"job": module("job", tmp_path / "link" / "job.py")})
    assert names(found, real) == ["job.py"]


def files(**contents: str) -> tuple[SourceFile, ...]:
    return tuple(
        SourceFile(f"{name}.py", content.encode(), executable=False)
        for name, content in sorted(contents.items())
    )


def test_the_version_depends_on_names_and_contents_only(tmp_path: Path) -> None:
    version = Bundle(tmp_path, files(a="1", b="2")).version
    assert version == Bundle(tmp_path / "x", files(b="2", a="1")).version
    assert len(version) == 32
    others = [
        files(a="1", b="3"),
        files(a="1", c="2"),
        files(a="1"),
        files(a="12", b=""),
        (SourceFile("a.py", b"1", executable=True), *files(b="2")),
    ]
    assert version not in {Bundle(tmp_path, other).version for other in others}


def test_the_archive_is_the_same_bytes_for_the_same_files(tmp_path: Path) -> None:
    root = tmp_path / "p"
    script = write(root / "run.sh", "#!/bin/sh\n")
    script.chmod(0o700)
    write(root / "pkg" / "ünicode.py", "x = 1\n")
    first = bundle.build("all", root)
    os.utime(script, (1, 1))
    (root / "pkg" / "ünicode.py").chmod(0o600)
    second = bundle.build("all", root)
    assert first.archive() == second.archive()
    assert first.filename == f"fast{first.version}.tar.gz"
    with tarfile.open(fileobj=io.BytesIO(first.archive())) as archive:
        entries = archive.getmembers()
        assert [entry.name for entry in entries] == ["pkg/ünicode.py", "run.sh"]
        assert {(entry.mtime, entry.uid, entry.gid) for entry in entries} == {(0, 0, 0)}
        assert [oct(entry.mode) for entry in entries] == ["0o644", "0o755"]
        content = archive.extractfile("run.sh")
        assert content is not None
        assert content.read() == b"#!/bin/sh\n"


def test_no_code_is_an_error_with_a_next_step(tmp_path: Path) -> None:
    with pytest.raises(errors.CodeBundleError, match=r"no code was found below .*root_dir"):
        bundle.build("all", tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root can read everything")
def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    write(tmp_path / "secret.py").chmod(0)
    with pytest.raises(errors.CodeBundleError, match=r"secret\.py cannot be read"):
        bundle.build("all", tmp_path)


def test_a_large_bundle_names_its_biggest_files(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with (tmp_path / "weights.bin").open("wb") as file:
        file.truncate(bundle.WARN_ABOVE_BYTES + 1)
    write(tmp_path / "job.py", "x")
    with caplog.at_level(logging.WARNING, "flyte.code"):
        bundle.build("all", tmp_path)
    assert "weights.bin (104,857,601 bytes), job.py (1 bytes)" in caplog.text
    assert ".flyteignore" in caplog.text


def test_the_root_is_the_working_directory_if_the_module_lies_below_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert bundle.code_root(module("__main__", write(tmp_path / "jobs" / "a.py"))) == tmp_path
    assert bundle.code_root(None) == tmp_path


def test_else_the_root_is_where_the_module_is_imported_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    monkeypatch.chdir(here)
    assert bundle.code_root(module("__main__", write(there / "script.py"))) == there
    (there / "pkg" / "sub").mkdir(parents=True)
    write(there / "pkg" / "__init__.py")
    write(there / "pkg" / "sub" / "__init__.py")
    write(there / "pkg" / "sub" / "mod.py")
    monkeypatch.syspath_prepend(str(there))
    for name in ("pkg.sub.mod", "pkg.sub", "pkg"):
        __import__(name)
        assert bundle.code_root(sys.modules.pop(name)) == there


def test_workers_get_the_entries_of_sys_path_below_the_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "p"
    for directory in ("src", "examples/digits", ".venv/lib/site-packages"):
        (root / directory).mkdir(parents=True)
    entries = [
        str(root / "examples" / "digits"),
        str(root),
        str(root / "src"),
        str(root / "src"),
        str(root / ".venv/lib/site-packages"),
        str(root / "missing"),
        "/usr/lib/python3",
    ]
    monkeypatch.setattr(sys, "path", entries)
    assert bundle.relative_sys_path(root) == ["./examples/digits", ".", "./src"]


def included(root: Path, *include: str, style: bundle.CopyStyle = "custom") -> list[str]:
    return [file.name for file in bundle.build(style, root, include).files]


def test_environments_name_further_files(tmp_path: Path) -> None:
    write(tmp_path / "config.yaml")
    write(tmp_path / "data" / "a.csv")
    write(tmp_path / "data" / "deep" / "b.csv")
    write(tmp_path / "data" / "__pycache__" / "c.pyc")
    write(tmp_path / "other.txt")
    assert included(tmp_path, "config.yaml") == ["config.yaml"]
    assert included(tmp_path, "data") == ["data/a.csv", "data/deep/b.csv"]
    assert included(tmp_path, "data/*.csv", "config.yaml") == ["config.yaml", "data/a.csv"]
    assert included(tmp_path, str(tmp_path / "other.txt")) == ["other.txt"]
    assert "other.txt" in included(tmp_path, "data", style="all")


@pytest.mark.parametrize(
    ("include", "said"),
    [
        (("missing.yaml",), "there is no such file"),
        (("../outside.txt",), "is not below the root"),
        (("/etc/hostname",), "is not below the root"),
        ((), "none names any"),
    ],
)
def test_further_files_that_cannot_be_sent(
    tmp_path: Path, include: tuple[str, ...], said: str
) -> None:
    write(tmp_path / "outside.txt")
    root = tmp_path / "project"
    root.mkdir()
    with pytest.raises(errors.CodeBundleError, match=said):
        bundle.build("custom", root, include)
