"""Whose credentials a request to S3 is signed with, where the settings do not say it.

The order is that of Amazon's own tools: the settings, the environment, what a pod is given, the
profile in `~/.aws`, the role of the machine. A store that is not Amazon's knows no role of a machine,
so for such a store nobody asks the machine's metadata service: that would only cost seconds.
"""

import configparser
from collections.abc import Mapping
from pathlib import Path

from flyte import errors
from flyte.config import _read
from flyte.storage._config.profile import Words

# obstore finds credentials by these variables itself.
_GIVEN_TO_PODS = (
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)


def completed(words: Words) -> Words:
    """The words with credentials, or with the decision to send requests unsigned.

    Raises:
        flyte.errors.StorageAccessError: there are none, and the machine is not to be asked.
    """
    config, env = dict(words), _read.environment()
    if config.get("skip_signature") == "true":
        return words
    if "access_key_id" in config:
        if config["access_key_id"] != env.get("AWS_ACCESS_KEY_ID"):
            # A token of the environment belongs to the credentials of the environment.
            config.setdefault("session_token", "")
        return tuple(sorted(config.items()))
    if any(env.get(name) for name in _GIVEN_TO_PODS):
        return words
    if found := _of_profile(env):
        return tuple(sorted({**found, **config}.items()))
    if "endpoint" in config:
        return (*words, ("skip_signature", "true"))
    if env.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true":
        raise errors.StorageAccessError(
            "there are no credentials for S3: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
            "pass flyte.init(storage=flyte.storage.S3(...))"
        )
    return words


def _of_profile(env: Mapping[str, str]) -> dict[str, str]:
    """Credentials and region of a profile of Amazon's tools; nothing if it has no keys of its own."""
    name = env.get("AWS_PROFILE") or "default"
    home = Path.home() / ".aws"
    keys = _section(Path(env.get("AWS_SHARED_CREDENTIALS_FILE") or home / "credentials"), name)
    if not keys.get("aws_access_key_id") or not keys.get("aws_secret_access_key"):
        return {}
    section = name if name == "default" else f"profile {name}"
    region = _section(Path(env.get("AWS_CONFIG_FILE") or home / "config"), section).get("region")
    return {
        "access_key_id": keys["aws_access_key_id"],
        "secret_access_key": keys["aws_secret_access_key"],
        "session_token": keys.get("aws_session_token", ""),
        **({"region": region} if region else {}),
    }


def _section(path: Path, name: str) -> Mapping[str, str]:
    parser = configparser.RawConfigParser()
    try:
        parser.read(path.expanduser())
    except (OSError, configparser.Error) as error:
        raise errors.ConfigError(f"{path} cannot be read: {error}; correct it") from error
    return dict(parser[name]) if parser.has_section(name) else {}
