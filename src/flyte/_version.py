"""The version of the installed package."""

from importlib import metadata

__version__: str = metadata.version("flyte-standalone")


def version() -> str:
    """The version of the SDK, as `flyte.__version__`."""
    return __version__
