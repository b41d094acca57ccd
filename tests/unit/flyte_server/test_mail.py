"""The SMTP server of a setting."""

import pytest

from flyte_server import mail
from flyte_server.mail import Smtp
from flyte_server.readings import SettingsError
from flyte_server.settings import Settings


def test_an_address_says_everything() -> None:
    found = mail.from_variables({mail.VARIABLE: "smtps://a%40b:p%2Fw@h?from=f@x.y"})
    assert found == Smtp("h", 465, "f@x.y", encrypted=True, user="a@b", password="p/w")
    assert "p/w" not in repr(found)
    assert mail.from_variables({mail.VARIABLE: "smtp://h:2525?from=f@x.y"}) == Smtp(
        "h", 2525, "f@x.y"
    )
    assert mail.from_variables({}) is None


@pytest.mark.parametrize(
    "url", ["mail.x", "http://h?from=a@b", "smtp://mail", "smtp://u:12/sesame@h?from=a@b"]
)
def test_another_address_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(SettingsError, match=r"write e\.g\. smtp://") as caught:
        Settings.from_environment(environment={mail.VARIABLE: url})
    said = str(caught.value).partition("write e.g.")[0]
    assert url not in said
    assert "sesame" not in said


@pytest.mark.parametrize(
    ("host", "chosen", "near"),
    [("127.0.0.1", "", True), ("0.0.0.0", "", False), ("0.0.0.0", "1", True), ("::1", "0", False)],
)
def test_private_networks_are_reached_where_nobody_else_can_connect(
    host: str, chosen: str, near: bool
) -> None:
    variables = {"FLYTE_SERVER_NOTIFY_PRIVATE": chosen}
    assert Settings.from_environment(host=host, environment=variables).notifies_near is near


def test_neither_yes_nor_no_is_refused() -> None:
    with pytest.raises(SettingsError, match="neither 1 nor 0"):
        Settings.from_environment(environment={"FLYTE_SERVER_NOTIFY_PRIVATE": "maybe"})
