"""FastAPIAppEnvironment: an app that is a `fastapi.FastAPI`."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from flyte import errors
from flyte._kit import optional
from flyte.app import _context
from flyte.app._environment import AppEnvironment

if TYPE_CHECKING:
    import uvicorn


@dataclass(frozen=True, eq=False)
class FastAPIAppEnvironment(AppEnvironment):
    """An app whose routes are FastAPI's; uvicorn serves it.

    Args:
        type: what kind of app it is, for people.
        app: the `fastapi.FastAPI`.
        uvicorn_config: how uvicorn serves it; its app and port are this environment's.

    Raises:
        DefinitionError: `app` is something else.

    Example:
        >>> app = fastapi.FastAPI()
        >>> env = FastAPIAppEnvironment(name="hello", app=app, port=8080)
    """

    type: str = field(default="FastAPI", kw_only=True)  # pyright: ignore[reportIncompatibleVariableOverride]
    app: Any = field(kw_only=True, repr=False)
    uvicorn_config: "uvicorn.Config | None" = field(default=None, kw_only=True, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        # Whoever has not imported fastapi cannot have made an app of it.
        known = optional.loaded("fastapi")
        if not known or not isinstance(self.app, optional.module("fastapi", "an app").FastAPI):
            raise errors.DefinitionError(
                f"app {self.name!r}: app must be a fastapi.FastAPI, got {type(self.app).__name__}: {self.app!r}"
            )

    def function(self, what: str) -> Callable[..., Any] | None:
        """The function for `server`, `on_startup` or `on_shutdown`; uvicorn serves unless there is another server."""
        own = super().function(what)
        return self._serve if own is None and what == "server" else own

    async def _serve(self) -> None:
        uvicorn = optional.module("uvicorn", f"app {self.name!r}")
        config = self.uvicorn_config or uvicorn.Config(self.app, host=_host(), log_level="info")
        config.app = self.app
        config.port = self.get_port().port
        await uvicorn.Server(config).serve()


def _host() -> str:
    # An app that is served for its user has no login: nobody else shall reach it.
    return "127.0.0.1" if _context.ctx().mode == "local" else "0.0.0.0"
