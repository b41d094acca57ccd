"""Settings in the words of obstore: what makes one client different from another."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Self

_FIRST_PAUSE = timedelta(milliseconds=100)
# A request is signed once, so it is not repeated for longer than its signature should be trusted.
_LONGEST_REPEATING = timedelta(minutes=4)

CLIENT_WORDS = frozenset(
    {
        "allow_http",
        "allow_invalid_certificates",
        "connect_timeout",
        "http1_only",
        "http2_only",
        "pool_idle_timeout",
        "proxy_ca_certificate",
        "proxy_excludes",
        "proxy_url",
        "read_timeout",
        "root_certificate",
        "timeout",
        "user_agent",
    }
)
"""Words that are about connections and not about a kind of store."""

Words = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Profile:
    """How to reach a kind of store; equal profiles share a client."""

    config: Words = field(repr=False)
    client: Words
    retries: int
    backoff: timedelta
    attach_execution_metadata: bool
    enable_debug: bool

    def with_words(self, words: Mapping[str, Any]) -> Self:
        """The same with further words, each put where obstore wants it."""
        config, client = dict(self.config), dict(self.client)
        for name, word in words.items():
            (client if name in CLIENT_WORDS else config)[name] = _text(word)
        return replace(self, config=as_words(config), client=as_words(client))

    def fsspec_kwargs(self) -> dict[str, Any]:
        """Arguments of obstore's stores, and of its file system for fsspec."""
        client: dict[str, Any] = {name: _flag(word) for name, word in self.client}
        config = dict(self.config)
        endpoint = config.get("endpoint") or config.get("base_url") or ""
        if endpoint.startswith("http://"):
            client.setdefault("allow_http", True)
        pauses = {
            "init_backoff": min(_FIRST_PAUSE, self.backoff),
            "max_backoff": self.backoff,
            "base": 2,
        }
        retry = {
            "max_retries": self.retries,
            "retry_timeout": _LONGEST_REPEATING,
            "backoff": pauses,
        }
        return {"config": config, "client_options": client, "retry_config": retry}


def as_words(words: Mapping[str, str]) -> Words:
    """Words that can be compared and hashed."""
    return tuple(sorted(words.items()))


def _text(word: Any) -> str:
    return str(word).lower() if isinstance(word, bool) else str(word)


def _flag(word: str) -> bool | str:
    return word == "true" if word in {"true", "false"} else word
