"""Environment: what tasks and apps share, and what must be deployed with them."""

import re
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

from flyte import _env_vars, _image, _resources, _secret, errors
from flyte._image import ImageRequest
from flyte._pod import PodTemplate
from flyte._resources import Resources
from flyte._secret import SecretRequest

_NAME = re.compile(r"[a-z0-9]+(?:[-_][a-z0-9]+)*")
_LONGEST_NAME = 63


@dataclass(frozen=True, eq=False)
class Environment:
    """Common base of task and app environments.

    Args:
        name: name in lower case with digits, `-` and `_`; it is the first part of the names of its
            tasks.
        depends_on: other environments that must be deployed with this one, because its tasks call
            theirs.
        pod_template: own settings for the Kubernetes pod, or the name of a template on the cluster.
        description: one sentence for the reader.
        secrets: stored values that each task gets.
        env_vars: environment variables of each task.
        resources: what each task needs of a machine.
        interruptible: whether tasks may run on machines that can be taken away.
        image: container image.
        include: further files that tasks need, as paths relative to the root of the code.
        service_account: Kubernetes service account of the pods.
    """

    name: str
    depends_on: list["Environment"] = field(default_factory=list["Environment"])
    pod_template: str | PodTemplate | None = None
    description: str | None = None
    secrets: SecretRequest | None = None
    env_vars: dict[str, str] | None = None
    resources: Resources | None = None
    interruptible: bool = False
    image: ImageRequest = "auto"
    include: tuple[str, ...] = field(default_factory=tuple)
    service_account: str | None = None

    def __post_init__(self) -> None:
        where = self._check_name()
        _image.image(self.image)
        _secret.secrets(self.secrets)
        _resources.resources(where, self.resources)
        if isinstance(self.include, str):
            raise errors.DefinitionError(
                f"{where}: include is a tuple of paths, got {self.include!r}; write "
                f"({self.include!r},)"
            )
        given = list(self.depends_on)
        object.__setattr__(self, "env_vars", _env_vars.env_vars(where, self.env_vars))
        object.__setattr__(self, "include", tuple(self.include))
        object.__setattr__(self, "depends_on", [])
        self.add_dependency(*given)

    def _check_name(self) -> str:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise errors.DefinitionError(
                f"environment name {self.name!r} is not valid; use lower-case letters and digits, "
                "separated by '-' or '_', as in 'data_processing'"
            )
        if len(self.name) > _LONGEST_NAME:
            raise errors.DefinitionError(
                f"environment name {self.name!r} is too long; use at most {_LONGEST_NAME} "
                "characters"
            )
        return f"environment {self.name!r}"

    def add_dependency(self, *env: "Environment") -> None:
        """Have other environments deployed with this one."""
        for other in env:
            if not isinstance(other, Environment):
                raise errors.DefinitionError(
                    f"environment {self.name!r}: depends_on has environments, got "
                    f"{type(other).__name__}: {other!r}"
                )
            if other is self:
                raise errors.DefinitionError(f"environment {self.name!r} cannot depend on itself")
            if other not in self.depends_on:
                self.depends_on.append(other)

    def clone_with(
        self,
        name: str,
        image: ImageRequest = None,
        resources: Resources | None = None,
        env_vars: dict[str, str] | None = None,
        secrets: SecretRequest | None = None,
        depends_on: list["Environment"] | None = None,
        description: str | None = None,
        **kwargs: Any,
    ) -> Self:
        """A new environment with some things changed; what is None stays, tasks are not copied.

        Args:
            name: name of the new environment.
            image: another image.
            resources: other resources.
            env_vars: other environment variables.
            secrets: other secrets.
            depends_on: other dependencies.
            description: another description.
            **kwargs: any other field of the environment; here None counts, as in `reusable=None`.

        Raises:
            DefinitionError: for a field that the environment does not have.
        """
        known = [each.name for each in fields(self) if each.init]
        for key in kwargs:
            if key not in known:
                raise errors.DefinitionError(
                    f"environment {self.name!r} has no field {key!r}; its fields are: "
                    f"{', '.join(known)}"
                )
        named = {
            "image": image,
            "resources": resources,
            "env_vars": env_vars,
            "secrets": secrets,
            "depends_on": depends_on,
            "description": description,
        }
        changes = {key: value for key, value in named.items() if value is not None}
        return replace(self, name=name, **changes, **kwargs)
