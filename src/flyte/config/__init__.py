"""Configuration: which control plane, project and domain the SDK works with.

Here live the frozen values (`_config`) and the reading of files and of the environment (`_read`).  What is *done*
with them, connecting and choosing defaults, is `flyte._session`'s.
"""

from flyte.config._config import (
    Config,
    ImageConfig,
    LocalConfig,
    PlatformConfig,
    TaskConfig,
    auto,
    get_config_file,
    set_if_exists,
)
from flyte.config._read import ConfigFile, YamlConfigEntry

__all__ = [
    "Config",
    "ConfigFile",
    "ImageConfig",
    "LocalConfig",
    "PlatformConfig",
    "TaskConfig",
    "YamlConfigEntry",
    "auto",
    "get_config_file",
    "set_if_exists",
]
