"""Secrets and where they appear."""

from pathlib import Path

import pytest

import flyte
from flyte import errors
from flyte._secret import secrets


def test_variable_is_made_from_group_and_key() -> None:
    assert flyte.Secret("api-key").as_env_var == "API_KEY"
    assert flyte.Secret("api-key", group="open.ai").as_env_var == "OPEN_AI_API_KEY"
    assert flyte.Secret("2nd").as_env_var == "_2ND"
    assert flyte.Secret("key", as_env_var="My_Key").as_env_var == "My_Key"


def test_mounted_secret_needs_no_variable() -> None:
    secret = flyte.Secret("key", mount=Path("/etc/flyte/secrets"))
    assert secret.as_env_var is None
    assert secret.mount == Path("/etc/flyte/secrets")


def test_every_form_of_request() -> None:
    key = flyte.Secret("key")
    assert secrets(None) == ()
    assert secrets("key") == secrets(key) == secrets(["key"]) == (key,)
    assert secrets(["a", flyte.Secret("b")]) == (flyte.Secret("a"), flyte.Secret("b"))
    with pytest.raises(errors.DefinitionError, match="secrets must be a key"):
        secrets(3)


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"key": ""}, "key may have letters"),
        ({"key": "a b"}, "key may have letters"),
        ({"key": "a", "group": "x/y"}, "group may have letters"),
        ({"key": "a", "as_env_var": "1A"}, "as_env_var must be the name"),
        ({"key": "a", "mount": "/m"}, "mount must be /etc/flyte/secrets, got /m"),
    ],
)
def test_wrong_values_are_named(settings: dict[str, str], complaint: str) -> None:
    with pytest.raises(errors.DefinitionError, match=complaint):
        flyte.Secret(**settings)


def test_identity_depends_on_every_part() -> None:
    several = [
        flyte.Secret("a"),
        flyte.Secret("a", group="g"),
        flyte.Secret("a", as_env_var="B"),
        flyte.Secret("a", mount=Path("/etc/flyte/secrets")),
    ]
    assert len({secret.stable_hash() for secret in several}) == len(several)
    assert flyte.Secret("a").stable_hash() == flyte.Secret("a").stable_hash()
