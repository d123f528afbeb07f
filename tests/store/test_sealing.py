import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsvc.errors import ConfigurationError
from fedsvc.store.sealing import Sealer, SealError, load_keyring

OLD, NEW = b"o" * 32, b"n" * 32


def sealer(**keys: bytes) -> Sealer:
    return Sealer(keys=keys)


@given(plaintext=st.binary(max_size=200), context=st.text(max_size=30))
def test_what_is_sealed_opens_in_its_context(plaintext: bytes, context: str) -> None:
    one = sealer(a=NEW)
    assert one.open(one.seal(plaintext, context), context) == plaintext


def test_equal_plaintexts_are_sealed_differently() -> None:
    one = sealer(a=NEW)
    assert one.seal(b"x", "c") != one.seal(b"x", "c")


def test_the_plaintext_is_not_in_what_is_sealed() -> None:
    assert b"password" not in sealer(a=NEW).seal(b"the password", "c")


def test_a_sealed_value_does_not_open_elsewhere() -> None:
    one = sealer(a=NEW)
    with pytest.raises(SealError, match="cluster/b"):
        one.open(one.seal(b"x", "cluster/a"), "cluster/b")


@given(position=st.integers(min_value=0), bit=st.integers(min_value=0, max_value=7))
def test_a_flipped_bit_is_noticed(position: int, bit: int) -> None:
    one = sealer(a=NEW)
    sealed = bytearray(one.seal(b"secret", "c"))
    sealed[position % len(sealed)] ^= 1 << bit
    with pytest.raises(SealError):
        one.open(bytes(sealed), "c")


@pytest.mark.parametrize("length", [0, 1, 2, 3, 10, 20])
def test_a_cut_value_is_refused(length: int) -> None:
    one = sealer(a=NEW)
    with pytest.raises(SealError):
        one.open(one.seal(b"secret", "c")[:length], "c")


def test_an_older_key_still_opens_and_the_first_one_seals() -> None:
    sealed = sealer(old=OLD).seal(b"x", "c")
    both = sealer(new=NEW, old=OLD)
    assert both.open(sealed, "c") == b"x"
    assert both.key_id == "new"
    with pytest.raises(SealError):
        sealer(old=OLD).open(both.seal(b"x", "c"), "c")


def test_a_missing_key_is_named() -> None:
    sealed = sealer(old=OLD).seal(b"x", "cluster/a")
    with pytest.raises(SealError, match=r"cluster/a.*'old'.*new"):
        sealer(new=NEW).open(sealed, "cluster/a")


def test_another_key_of_the_same_id_does_not_open() -> None:
    with pytest.raises(SealError):
        sealer(a=NEW).open(sealer(a=OLD).seal(b"x", "c"), "c")


def test_keyed_digests_are_equal_for_equal_bodies_and_tell_nothing_without_the_key() -> None:
    assert sealer(a=NEW).keyed_digest(b"x") == sealer(a=NEW).keyed_digest(b"x")
    assert sealer(a=NEW).keyed_digest(b"x") != sealer(a=NEW).keyed_digest(b"y")
    assert sealer(a=NEW).keyed_digest(b"x") != sealer(a=OLD).keyed_digest(b"x")


def test_a_rotated_key_leaves_digests_as_they_are() -> None:
    assert sealer(new=NEW, old=OLD).keyed_digest(b"body") == sealer(old=OLD).keyed_digest(b"body")


def test_keys_are_not_in_the_representation() -> None:
    assert "ooo" not in repr(sealer(a=OLD))


def test_a_missing_key_file_is_made_for_its_owner_only_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "keyring"
    made = load_keyring(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_keyring(path).keys == made.keys
    assert [entry.name for entry in path.parent.iterdir()] == ["keyring"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param("", "holds no key", id="empty"),
        pytest.param("# only words\n", "holds no key", id="comments"),
        pytest.param("a:AAAA\n", "line 1", id="short key"),
        pytest.param("# x\nb\n", "line 2", id="no key"),
        pytest.param("a:%%%\n", "line 1", id="not base64"),
    ],
)
def test_a_wrong_key_file_is_refused_with_its_line(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "keyring"
    path.write_text(content)
    with pytest.raises(ConfigurationError, match=message) as caught:
        load_keyring(path)
    assert str(path) in str(caught.value)


def test_a_folder_in_place_of_the_key_file_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError):
        load_keyring(tmp_path)
