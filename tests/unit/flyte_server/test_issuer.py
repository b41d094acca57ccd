"""The description of an issuer outside, as it stands in variables."""

import pytest

from flyte_server.issuer import Rule, from_variables
from flyte_server.readings import SettingsError
from flyte_server.settings import Settings

_GOOD = {
    "FLYTE_SERVER_OIDC_ISSUER": "https://login.example.com",
    "FLYTE_SERVER_OIDC_AUDIENCE": "flyte",
    "FLYTE_SERVER_OIDC_ROLES": '{"group:ml": ["run:shop", "view"], "email:ada@example.com": "admin"}',
}


def test_nothing_is_no_issuer() -> None:
    assert from_variables({}) is None


def test_an_issuer_is_described_whole() -> None:
    issuer = from_variables(_GOOD)
    assert issuer is not None
    assert (issuer.url, issuer.audience, issuer.client_id) == (
        "https://login.example.com",
        "flyte",
        "flyte",
    )
    assert issuer.rules == (
        Rule("group", "ml", "run", "shop"),
        Rule("group", "ml", "view", None),
        Rule("email", "ada@example.com", "admin", None),
    )
    assert "openid" in issuer.scopes


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ISSUER", "http://login.example.com"),
        ("ISSUER", "login.example.com"),
        ("ISSUER", "https://login.example.com?x=1"),
        ("ISSUER", "https://login.example.com#x"),
        ("AUDIENCE", ""),
        ("ROLES", ""),
        ("ROLES", "{"),
        ("ROLES", "[]"),
        ("ROLES", '{"ml": "run"}'),
        ("ROLES", '{"name:ml": "run"}'),
        ("ROLES", '{"group:": "run"}'),
        ("ROLES", '{"group:ml": "owner"}'),
        ("ROLES", '{"group:ml": "run:"}'),
        ("ROLES", '{"group:ml": []}'),
        ("ROLES", '{"group:ml": 7}'),
    ],
)
def test_a_bad_description_is_told_with_the_variable(name: str, value: str) -> None:
    variables = {**_GOOD, f"FLYTE_SERVER_OIDC_{name}": value}
    with pytest.raises(SettingsError, match=f"FLYTE_SERVER_OIDC_{name}"):
        Settings.from_environment(environment=variables)
