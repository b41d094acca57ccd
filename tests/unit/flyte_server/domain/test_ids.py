"""Names."""

import re

from flyte_server.domain import ids


def test_run_names_are_as_every_flyte_backend_makes_them() -> None:
    names = {ids.random_run_name() for _ in range(100)}
    assert len(names) == 100
    assert all(re.fullmatch(r"r[0-9a-z]{19}", name) for name in names)


def test_tokens_do_not_repeat() -> None:
    assert len({ids.random_token() for _ in range(100)}) == 100
