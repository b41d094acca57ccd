"""What makes a form ours: a seal over what the person was shown, bound to their browser, for some minutes.

So no other page can send the form for them, and nothing in it can be altered on the way.
"""

import hashlib
import hmac
import json
import secrets

from flyte_server.clock import Clock

COOKIE = "flyte_form"
FIELD = "seal"
_LIFE_US = 600 * 1_000_000
_LONGEST = 200


class Seals:
    """Seals forms and checks them.

    Args:
        key: kept by the control plane, so that a form outlives a restart.
    """

    def __init__(self, key: bytes, clock: Clock) -> None:
        # A key of its own: what signs tokens signs nothing else.
        self._key = hmac.digest(key, b"flyte oauth forms", hashlib.sha256)
        self._clock = clock

    def browser(self, known: str) -> str:
        """A word for the browser's cookie: the one that it has, or a new one."""
        return known if 0 < len(known) < _LONGEST and known.isalnum() else secrets.token_hex(16)

    def seal(self, browser: str, shown: dict[str, str]) -> str:
        """The seal of a form that shows this."""
        end = self._clock.now_us() + _LIFE_US
        return f"{end}.{self._mac(browser, shown, end)}"

    def holds(self, seal: str, browser: str, shown: dict[str, str]) -> bool:
        """Whether a form comes back unaltered, in time, from the browser it was made for."""
        end, _, mac = seal.partition(".")
        if not browser or not end.isdecimal() or len(seal) > _LONGEST:
            return False
        right = hmac.compare_digest(mac.encode(), self._mac(browser, shown, int(end)).encode())
        return right and int(end) > self._clock.now_us()

    def _mac(self, browser: str, shown: dict[str, str], end: int) -> str:
        text = json.dumps([browser, end, sorted(shown.items())])
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()
