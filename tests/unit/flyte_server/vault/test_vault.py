"""Sealed values: only the vault opens them, only for the name that they belong to."""

import base64
import secrets
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from flyte_server.domain.errors import StoreUnusable
from flyte_server.vault import CannotOpen, Vault, key_of, keys

PLACE = ("p", "d", "name")
VALUE = b"the value itself"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "secrets.key"


def test_what_is_sealed_can_be_opened_by_the_next_process(file: Path) -> None:
    sealed = Vault(file).seal(VALUE, PLACE)
    assert VALUE not in sealed
    assert Vault(file).open(sealed, PLACE) == VALUE
    assert Vault(file).seal(VALUE, PLACE) != sealed, "a nonce is used once"


def test_the_key_is_made_once_and_is_the_owners_alone(file: Path) -> None:
    Vault(file).seal(VALUE, PLACE)
    before = file.read_bytes()
    Vault(file).seal(VALUE, PLACE)
    assert file.read_bytes() == before
    assert file.stat().st_mode & 0o777 == 0o600
    (key,) = keys.load(file).values()
    assert len(key) == keys.KEY_BYTES
    assert [path.name for path in file.parent.iterdir()] == [file.name]


@pytest.mark.parametrize("other", [("p", "d", "other"), ("p", "", "name"), ("pd", "", "name")])
def test_a_value_that_was_moved_to_another_name_cannot_be_opened(
    file: Path, other: tuple[str, ...]
) -> None:
    sealed = Vault(file).seal(VALUE, PLACE)
    with pytest.raises(CannotOpen, match="belongs to another name"):
        Vault(file).open(sealed, other)


@pytest.mark.parametrize("at", [0, 1, 6, -1])
def test_a_value_that_was_changed_cannot_be_opened(file: Path, at: int) -> None:
    sealed = bytearray(Vault(file).seal(VALUE, PLACE))
    sealed[at] ^= 1
    with pytest.raises(CannotOpen):
        Vault(file).open(bytes(sealed), PLACE)
    with pytest.raises(CannotOpen):
        Vault(file).open(bytes(sealed[:9]), PLACE)


def test_a_key_is_replaced_by_a_new_one_above_it(file: Path) -> None:
    vault = Vault(file)
    old = vault.seal(VALUE, PLACE)
    key = secrets.token_bytes(keys.KEY_BYTES)
    line = f"{keys.key_id(key).hex()} {base64.b64encode(key).decode()}\n"
    file.write_text(line + file.read_text())
    new = vault.seal(VALUE, PLACE)
    assert vault.open(old, PLACE) == vault.open(new, PLACE) == VALUE

    file.write_text(
        line
    )  # the old key is gone: what it sealed is lost, what the new one sealed is not
    assert Vault(file).open(new, PLACE) == VALUE
    with pytest.raises(CannotOpen, match=r"secrets\.key; put that file back"):
        Vault(file).open(old, PLACE)


def test_a_key_that_others_may_read_is_refused(file: Path) -> None:
    Vault(file).seal(VALUE, PLACE)
    file.chmod(0o640)
    with pytest.raises(StoreUnusable, match="chmod 600"):
        Vault(file).seal(VALUE, PLACE)


@pytest.mark.parametrize(
    "content", ["", "x", "00000000 AAAA\n", "00000000 " + "A" * 44 + "\n", "ü"]
)
def test_a_damaged_key_is_told_and_never_shown(file: Path, content: str) -> None:
    file.write_text(content)
    file.chmod(0o600)
    with pytest.raises(StoreUnusable, match=r"secrets\.key") as told:
        Vault(file).seal(VALUE, PLACE)
    assert "AAAA" not in str(told.value)


def test_a_new_key_seals_and_the_old_one_still_opens(tmp_path: Path) -> None:
    vault = Vault(tmp_path / "secrets.key")
    before = vault.seal(b"value", PLACE)
    fresh = vault.add_key()
    after = vault.seal(b"value", PLACE)
    assert key_of(after) == fresh != key_of(before)
    assert vault.open(before, PLACE) == vault.open(after, PLACE) == b"value"
    assert (tmp_path / "secrets.key").stat().st_mode & 0o777 == 0o600
    assert vault.forget_old_keys() == [key_of(before)]
    assert vault.open(after, PLACE) == b"value"
    with pytest.raises(CannotOpen, match=key_of(before).hex()):
        vault.open(before, PLACE)


def test_keys_that_are_made_at_the_same_time_are_all_kept(tmp_path: Path) -> None:
    path = tmp_path / "secrets.key"
    Vault(path).seal(b"value", PLACE)
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: keys.add(path), range(16)))
    assert set(made) < set(keys.load(path))
    assert len(keys.load(path)) == 17
    assert [each.name for each in tmp_path.iterdir() if each.suffix not in (".key", ".lock")] == []
