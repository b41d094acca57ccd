"""Apps of certain frameworks, and what such apps need.

Lives here: words that need a package which not everybody has; it is imported when the word is used.  Does not live
here: how an app is started.
"""

from typing import TYPE_CHECKING, Any

from flyte._kit import optional
from flyte.app.extras._fastapi import FastAPIAppEnvironment

if TYPE_CHECKING:
    from flyte.app.extras._passthrough import FastAPIPassthroughAuthMiddleware

__all__ = ["FastAPIAppEnvironment", "FastAPIPassthroughAuthMiddleware"]


def __getattr__(name: str) -> Any:
    if name != "FastAPIPassthroughAuthMiddleware":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return optional.module(f"{__name__}._passthrough", name).FastAPIPassthroughAuthMiddleware
