"""The checksum of content."""

from hypothesis import given
from hypothesis import strategies as st

from flyte.storage import digests


@given(st.lists(st.binary(max_size=50)))
def test_how_content_is_cut_makes_no_difference(pieces: list[bytes]) -> None:
    whole = b"".join(pieces)
    hasher = digests.Hasher()
    for piece in pieces:
        hasher.update(memoryview(piece))
    assert hasher.digest() == digests.Digest(len(whole), digests.digest([whole]))
    assert digests.digest(pieces) == digests.digest([whole])


def test_the_checksum_stays_the_same_across_releases() -> None:
    assert digests.digest([]) == "99aa06d3014798d86001c324468d497f"
    assert digests.digest([b"flyte"]) == "74232dfa2d81cea3ff1c8cecce8ec9d4"
