"""Code bundles: unpacked once, all or nothing, and never outside of their folder."""

import io
import os
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from flyte import errors
from flyte._context import CodeBundle
from flyte._kit import aio
from flyte._runtime import bundles


def archive(path: Path, members: dict[str, bytes]) -> CodeBundle:
    with tarfile.open(path, "w:gz") as tar:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            member.mode = 0o755
            tar.addfile(member, io.BytesIO(data))
    return CodeBundle("v1", str(path.parent / "dest"), tgz=str(path))


def special(path: Path, kind: bytes, target: str) -> CodeBundle:
    with tarfile.open(path, "w:gz") as tar:
        member = tarfile.TarInfo("link")
        member.type, member.linkname = kind, target
        tar.addfile(member)
    return CodeBundle("v1", str(path.parent / "dest"), tgz=str(path))


def unpack(bundle: CodeBundle, home: Path | None) -> Path:
    return aio.drive(bundles.unpack(bundle, home=str(home) if home else None, options={}))


def test_files_are_there_with_their_folders_and_modes(tmp_path: Path) -> None:
    bundle = archive(tmp_path / "b.tgz", {"pkg/mod.py": b"x = 1", "run.sh": b"#!"})
    folder = unpack(bundle, tmp_path / "home")
    assert (folder / "pkg" / "mod.py").read_bytes() == b"x = 1"
    assert os.access(folder / "run.sh", os.X_OK)
    assert folder.is_relative_to(tmp_path / "home" / "work" / "bundles")


def test_a_second_process_uses_what_is_there(tmp_path: Path) -> None:
    bundle = archive(tmp_path / "b.tgz", {"mod.py": b""})
    folder = unpack(bundle, tmp_path / "home")
    (tmp_path / "b.tgz").unlink()
    assert unpack(bundle, tmp_path / "home") == folder


def test_other_code_gets_another_folder(tmp_path: Path) -> None:
    one = archive(tmp_path / "one.tgz", {"mod.py": b"1"})
    two = archive(tmp_path / "two.tgz", {"mod.py": b"2"})
    assert unpack(one, tmp_path) != unpack(two, tmp_path)


def test_many_at_once_agree(tmp_path: Path) -> None:
    bundle = archive(tmp_path / "b.tgz", {f"m{i}.py": b"x" * 1000 for i in range(50)})
    with ThreadPoolExecutor(8) as pool:
        folders = set(pool.map(lambda _: unpack(bundle, tmp_path / "home"), range(16)))
    (folder,) = folders
    assert len(list(folder.glob("m*.py"))) == 50
    assert len(list(folder.parent.iterdir())) == 1, "no half of a bundle is left"


def test_the_rest_of_a_crash_is_replaced(tmp_path: Path) -> None:
    bundle = archive(tmp_path / "b.tgz", {"mod.py": b"whole"})
    folder = unpack(bundle, tmp_path / "home")
    (folder / ".unpacked").unlink()
    (folder / "mod.py").write_bytes(b"ha")
    assert (unpack(bundle, tmp_path / "home") / "mod.py").read_bytes() == b"whole"


def test_without_a_home_the_destination_is_used(tmp_path: Path) -> None:
    bundle = archive(tmp_path / "b.tgz", {"mod.py": b""})
    assert unpack(bundle, None) == tmp_path / "dest"
    assert (tmp_path / "dest" / "mod.py").exists()


@pytest.mark.parametrize("name", ["../evil.py", "a/../../evil.py", "/tmp/evil-bundle.py"])
def test_nothing_is_written_outside(tmp_path: Path, name: str) -> None:
    bundle = archive(tmp_path / "b.tgz", {"mod.py": b"", name: b"evil"})
    with pytest.raises(errors.CodeBundleError, match="outside of the folder"):
        unpack(bundle, tmp_path / "home")
    assert not list(tmp_path.rglob("evil*"))
    assert not list((tmp_path / "home" / "work" / "bundles").iterdir())


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_refused(tmp_path: Path, kind: bytes) -> None:
    with pytest.raises(errors.CodeBundleError):
        unpack(special(tmp_path / "b.tgz", kind, "/etc/passwd"), tmp_path / "home")


def test_a_damaged_archive_is_named(tmp_path: Path) -> None:
    (tmp_path / "b.tgz").write_bytes(b"no archive")
    with pytest.raises(errors.CodeBundleError, match=r"b\.tgz"):
        unpack(CodeBundle("v1", tgz=str(tmp_path / "b.tgz")), tmp_path)
