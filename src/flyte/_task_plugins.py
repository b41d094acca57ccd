"""Which kind of task a `plugin_config` asks for: `flyte.extend.TaskPluginRegistry`."""

import threading
from typing import Any, Final

from flyte import errors
from flyte._task import AsyncFunctionTaskTemplate

Plugin = type[AsyncFunctionTaskTemplate[..., Any, Any]]


class Registry:
    """Kinds of tasks by the class of their configuration.

    Example:
        >>> flyte.extend.TaskPluginRegistry.register(SparkConfig, SparkTask)
        >>> env = flyte.TaskEnvironment("jobs", plugin_config=SparkConfig(executors=3))
    """

    def __init__(self) -> None:
        self._plugins: dict[type, Plugin] = {}
        self._lock = threading.Lock()

    def register(self, config_type: type, plugin: type[Any]) -> None:
        """Have tasks of environments with such a configuration made as `plugin`; a later one replaces an earlier one.

        Args:
            config_type: class of the value that `TaskEnvironment(plugin_config=…)` takes.
            plugin: a subclass of `AsyncFunctionTaskTemplate`.

        Raises:
            DefinitionError: when one of the two is something else.
        """
        if not isinstance(config_type, type):
            raise errors.DefinitionError(
                f"TaskPluginRegistry.register() takes the class of the configuration, got {config_type!r}"
            )
        if not (isinstance(plugin, type) and issubclass(plugin, AsyncFunctionTaskTemplate)):
            raise errors.DefinitionError(
                f"TaskPluginRegistry.register({config_type.__name__}, …) takes a subclass of "
                f"flyte.extend.AsyncFunctionTaskTemplate, got {plugin!r}"
            )
        with self._lock:
            self._plugins[config_type] = plugin

    def find(self, config_type: type) -> Plugin | None:
        """The kind of task for a class of configuration, or for the nearest class that it inherits from."""
        for each in config_type.__mro__:
            if each in self._plugins:
                return self._plugins[each]
        return None

    def list_plugins(self) -> dict[type, Plugin]:
        """All kinds of tasks by the class of their configuration."""
        return dict(self._plugins)

    def kind(self, where: str, config: Any) -> Plugin:
        """The kind of task for a configuration; the usual one for None.

        Raises:
            DefinitionError: when no plugin is registered for it.
        """
        if config is None:
            return AsyncFunctionTaskTemplate[..., Any, Any]
        found = self.find(type(config))
        if found is None:
            known = ", ".join(each.__name__ for each in self._plugins) or "none yet"
            raise errors.DefinitionError(
                f"{where}: no plugin is registered for plugin_config={type(config).__name__}(…); import the package "
                f"that brings it, or call flyte.extend.TaskPluginRegistry.register (registered: {known})"
            )
        return found


TaskPluginRegistry: Final = Registry()
"""The registry of this process."""
