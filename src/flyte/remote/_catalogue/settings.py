"""A handle of the settings of one scope: what was made for it, and what it inherits."""

import json
from dataclasses import dataclass, field
from typing import Any

import yaml
from flyteidl2.settings import settings_definition_pb2 as pb2
from flyteidl2.settings import settings_service_pb2

from flyte import _session, errors
from flyte.remote._catalogue import setting_values
from flyte.syncify import syncify


@dataclass(frozen=True, slots=True)
class LocalSetting:
    """A setting that was made for exactly this scope."""

    key: str
    value: Any
    """None: it was unset here, which ends the inheritance."""


@dataclass(frozen=True, slots=True)
class EffectiveSetting:
    """A setting that holds in this scope."""

    key: str
    value: Any
    origin: str
    """Whose it is: `organisation`, `domain development`, or `project weather/development`."""


@dataclass
class Settings:
    """What holds for new runs of a scope: the organisation, a domain of it, or a project in a domain.

    A narrower scope inherits from the wider ones what it does not say itself; tables (labels, annotations, variables)
    entry by entry.

    Example:
        >>> settings = flyte.remote.Settings.get_settings_for_edit(project="weather", domain="development")
        >>> settings.update_settings({"run.default_queue": "fast", "labels": {"team": "weather"}})
    """

    effective_settings: list[EffectiveSetting]
    local_settings: list[LocalSetting]
    domain: str | None = None
    project: str | None = None
    _version: int = 0
    _parent_effective: dict[str, EffectiveSetting] = field(default_factory=dict)
    _map_entry_origins: dict[str, dict[str, EffectiveSetting]] = field(default_factory=dict)

    @syncify
    @classmethod
    async def get_settings_for_edit(
        cls, project: str | None = None, domain: str | None = None
    ) -> "Settings":
        """The settings of a scope.

        Args:
            project: of a project; needs a domain too.
            domain: of a domain; without both, of the organisation.

        Raises:
            DefinitionError: a project without a domain.
        """
        if project and not domain:
            raise errors.DefinitionError(
                f"project={project!r}: settings of a project are those of one domain; pass domain=… too"
            )
        session = _session.current()
        key = pb2.SettingsKey(org=session.org, domain=domain, project=project)
        plane = await session.control_plane()
        response = await plane.settings.get_settings_for_edit(
            settings_service_pb2.GetSettingsForEditRequest(key=key)
        )
        return _settings(response, project, domain)

    @syncify
    async def update_settings(self, overrides: dict[str, Any]) -> None:
        """Make these the settings of the scope; those that are left out are inherited from now on.

        Args:
            overrides: values by key, such as `{"run.default_queue": "fast"}`; None ends the inheritance.  Keys that
                begin with a table's name are entries of it: `labels.team`.

        Raises:
            DefinitionError: a key does not exist, or its value is of another type.
            UnionRpcError: somebody has changed the settings since they were read; read them again.
        """
        message = setting_values.message(setting_values.flat(overrides))
        session = _session.current()
        key = pb2.SettingsKey(org=session.org, domain=self.domain, project=self.project)
        plane = await session.control_plane()
        if self._version:
            updated = await plane.settings.update_settings(
                settings_service_pb2.UpdateSettingsRequest(
                    key=key, settings=message, version=self._version
                )
            )
            self._version = updated.settingsRecord.version
        else:
            created = await plane.settings.create_settings(
                settings_service_pb2.CreateSettingsRequest(key=key, settings=message)
            )
            self._version = created.settingsRecord.version
        fresh = await Settings.get_settings_for_edit.aio(self.project, self.domain)
        self.__dict__.update(fresh.__dict__)

    @staticmethod
    def available_keys() -> list[str]:
        """Every key that the protocol has; a control plane refuses those that have no effect there."""
        return list(setting_values.KEYS)

    @staticmethod
    def parse_yaml(yaml_content: str) -> dict[str, Any]:
        """The overrides that a text of `to_yaml` says: what is not commented out.

        Raises:
            DefinitionError: it is no YAML, no mapping, or has an unknown key.
        """
        try:
            found = yaml.safe_load(yaml_content)
        except yaml.YAMLError as error:
            raise errors.DefinitionError(f"the settings are no YAML: {error}") from error
        if found is None:
            return {}
        if not isinstance(found, dict):
            raise errors.DefinitionError(
                "the settings are no mapping; write lines like `labels: {team: weather}`"
            )
        overrides = setting_values.flat(found)
        setting_values.message(overrides)
        return overrides

    def effective_values(self) -> dict[str, Any]:
        """What holds here, by key."""
        return {each.key: each.value for each in self.effective_settings}

    def local_overrides(self) -> dict[str, Any]:
        """What was made for exactly this scope, by key."""
        return {each.key: each.value for each in self.local_settings}

    def scope_description(self) -> str:
        """For whom they hold, in words."""
        return _described(self.domain or "", self.project or "")

    def to_dict(self) -> dict[str, Any]:
        """Everything in plain values."""
        return {
            "scope": self.scope_description(),
            "version": self._version,
            "local": self.local_overrides(),
            "effective": {
                each.key: {"value": each.value, "origin": each.origin}
                for each in self.effective_settings
            },
        }

    def to_json(self) -> str:
        """Everything as JSON."""
        return json.dumps(self.to_dict(), indent=2)

    def to_yaml(self) -> str:
        """A text to edit: what is made here, and commented out what is inherited and what there could be."""
        return "\n".join(text for _, text in self.to_yaml_sections())

    def to_yaml_sections(self) -> list[tuple[str, str]]:
        """The parts of `to_yaml`, each with its name: `scope`, `local`, `inherited`, `available`."""
        local = self.local_overrides()
        inherited = [each for key, each in self._parent_effective.items() if key not in local]
        known = {*local, *self._parent_effective}
        rest = [key for key in setting_values.KEYS if key not in known]
        return [
            ("scope", f"### settings of {self.scope_description()}\n"),
            ("local", "### made here\n" + "".join(_line(k, v) for k, v in local.items())),
            (
                "inherited",
                "### inherited; remove the '# ' to change one here\n"
                + "".join(
                    f"# {_line(e.key, e.value).rstrip()}  ## {e.origin}\n" for e in inherited
                ),
            ),
            (
                "available",
                "### what there is besides\n"
                + "".join(f"# {key}:  ## {setting_values.KEYS[key]}\n" for key in rest),
            ),
        ]


def _settings(
    response: settings_service_pb2.GetSettingsForEditResponse,
    project: str | None,
    domain: str | None,
) -> Settings:
    made = Settings([], [], domain, project)
    effective: dict[str, EffectiveSetting] = {}
    for record in response.levels:
        own = (record.key.domain, record.key.project) == (domain or "", project or "")
        if own:
            made._version = record.version  # noqa: SLF001 - of this module
            made._parent_effective = dict(effective)  # noqa: SLF001 - as above
        origin = _described(record.key.domain, record.key.project)
        for key, value in setting_values.given(record.settings).items():
            if own:
                made.local_settings.append(LocalSetting(key, value))
            _overlay(made, effective, EffectiveSetting(key, value, origin))
    if not made._version:  # noqa: SLF001 - as above
        made._parent_effective = dict(effective)  # noqa: SLF001 - as above
    made.effective_settings = [each for each in effective.values() if each.value is not None]
    return made


def _overlay(
    made: Settings, effective: dict[str, EffectiveSetting], setting: EffectiveSetting
) -> None:
    """Lay a narrower scope's setting over what holds so far; tables entry by entry."""
    value = setting.value
    if isinstance(value, dict):
        origins = made._map_entry_origins.setdefault(setting.key, {})  # noqa: SLF001 - of this module
        origins |= dict.fromkeys(value, setting)
        before = effective.get(setting.key)
        if before is not None and isinstance(before.value, dict):
            value = {**before.value, **value}
    effective[setting.key] = EffectiveSetting(setting.key, value, setting.origin)


def _described(domain: str, project: str) -> str:
    if project:
        return f"project {project}/{domain}"
    return f"domain {domain}" if domain else "organisation"


def _line(key: str, value: Any) -> str:
    """One line of YAML, which JSON is a part of."""
    return f"{key}: {json.dumps(value, ensure_ascii=False)}\n"
