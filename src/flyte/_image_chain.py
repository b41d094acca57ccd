"""The `with_…` methods of an image: each adds one of the usual layers."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Literal, Self, get_args

from flyte import _image_layers as layers
from flyte import _secret, errors
from flyte._image_layers import InstallMode, Layer, PipOptions
from flyte._secret import SecretRequest

_URLs = str | list[str] | tuple[str, ...] | None


class Layered(ABC):
    """The usual layers, one method each; `with_layer` takes any."""

    @abstractmethod
    def with_layer(self, layer: Layer) -> Self:
        """One more layer on top."""

    def with_pip_packages(
        self,
        *packages: str,
        index_url: str | None = None,
        extra_index_urls: _URLs = None,
        pre: bool = False,
        extra_args: str | None = None,
        secret_mounts: SecretRequest | None = None,
    ) -> Self:
        """Python packages, as pip takes them: `with_pip_packages("numpy", "pandas>=2")`."""
        options = layers.pip_options(index_url, extra_index_urls, pre, extra_args)
        names = layers.names("with_pip_packages", packages)
        return self.with_layer(layers.PipPackages(names, options, _secret.secrets(secret_mounts)))

    def with_requirements(
        self,
        file: str | Path,
        index_url: str | None = None,
        extra_index_urls: _URLs = None,
        pre: bool = False,
        extra_args: str | None = None,
        secret_mounts: SecretRequest | None = None,
    ) -> Self:
        """Python packages of a requirements file."""
        options = layers.pip_options(index_url, extra_index_urls, pre, extra_args)
        return self.with_layer(
            layers.Requirements(Path(file), options, _secret.secrets(secret_mounts))
        )

    def with_uv_project(
        self,
        pyproject_file: str | Path,
        uvlock: Path | None = None,
        index_url: str | None = None,
        extra_index_urls: _URLs = None,
        pre: bool = False,
        extra_args: str | None = None,
        secret_mounts: SecretRequest | None = None,
        project_install_mode: InstallMode = "dependencies_only",
    ) -> Self:
        """A project with `pyproject.toml` and `uv.lock`; the lock file is looked for beside the
        first.
        """
        options = layers.pip_options(index_url, extra_index_urls, pre, extra_args)
        return self._with_project(
            "uv", pyproject_file, uvlock, project_install_mode, secret_mounts, options=options
        )

    def with_poetry_project(
        self,
        pyproject_file: str | Path,
        poetry_lock: Path | None = None,
        extra_args: str | None = None,
        secret_mounts: SecretRequest | None = None,
        project_install_mode: InstallMode = "dependencies_only",
    ) -> Self:
        """A project with `pyproject.toml` and `poetry.lock`."""
        options = layers.PipOptions(extra_args=extra_args)
        return self._with_project(
            "poetry",
            pyproject_file,
            poetry_lock,
            project_install_mode,
            secret_mounts,
            options=options,
        )

    def with_pixi_project(
        self,
        manifest_file: str | Path,
        pixi_lock: Path | None = None,
        environment: str = "default",
        extra_args: str | None = None,
        secret_mounts: SecretRequest | None = None,
        project_install_mode: InstallMode = "dependencies_only",
    ) -> Self:
        """A project with `pixi.toml` (or `pyproject.toml`) and `pixi.lock`."""
        options = layers.PipOptions(extra_args=extra_args)
        return self._with_project(
            "pixi",
            manifest_file,
            pixi_lock,
            project_install_mode,
            secret_mounts,
            options=options,
            environment=environment,
        )

    def with_apt_packages(self, *packages: str, secret_mounts: SecretRequest | None = None) -> Self:
        """System packages: `with_apt_packages("git", "libgomp1")`."""
        names = layers.names("with_apt_packages", packages)
        return self.with_layer(layers.AptPackages(names, _secret.secrets(secret_mounts)))

    def with_commands(
        self, commands: list[str], secret_mounts: SecretRequest | None = None
    ) -> Self:
        """Shell commands, run one after the other."""
        if isinstance(commands, str):
            raise errors.DefinitionError(
                f"with_commands() takes a list of commands, got {commands!r}; write [{commands!r}]"
            )
        names = layers.names("with_commands", tuple(commands))
        return self.with_layer(layers.Commands(names, _secret.secrets(secret_mounts)))

    def with_env_vars(self, env_vars: dict[str, str]) -> Self:
        """Environment variables of the image."""
        return self.with_layer(layers.EnvVars(tuple(env_vars.items())))

    def with_workdir(self, workdir: str) -> Self:
        """The folder in which commands and tasks start."""
        return self.with_layer(layers.WorkDir(workdir))

    def with_dockerignore(self, path: Path) -> Self:
        """A file that says what is not copied into the image."""
        return self.with_layer(layers.DockerIgnore(Path(path)))

    def with_source_folder(
        self, src: Path, dst: str = ".", copy_contents_only: bool = False
    ) -> Self:
        """A folder, copied into the image (or only what is in it)."""
        return self.with_layer(layers.Sources((Path(src),), dst, copy_contents_only))

    def with_source_file(self, src: Path | list[Path], dst: str = ".") -> Self:
        """Files, copied into the image."""
        files = tuple(map(Path, src)) if isinstance(src, list) else (Path(src),)
        return self.with_layer(layers.Sources(files, dst))

    def with_code_bundle(
        self, copy_style: Literal["loaded_modules", "all"] = "loaded_modules", dst: str = "."
    ) -> Self:
        """The code of the tasks, baked into the image instead of sent with each run."""
        return self.with_layer(layers.BundledCode(copy_style, dst))

    def _with_project(
        self,
        tool: Literal["uv", "poetry", "pixi"],
        manifest: str | Path,
        lock: Path | None,
        mode: InstallMode,
        secret_mounts: SecretRequest | None,
        *,
        options: PipOptions,
        environment: str | None = None,
    ) -> Self:
        if mode not in get_args(InstallMode):
            raise errors.DefinitionError(
                f"project_install_mode must be one of {', '.join(get_args(InstallMode))}, got "
                f"{mode!r}"
            )
        project = layers.PythonProject(
            tool=tool,
            manifest=Path(manifest),
            lock=None if lock is None else Path(lock),
            mode=mode,
            environment=environment,
            options=options,
            secret_mounts=_secret.secrets(secret_mounts),
        )
        return self.with_layer(project)
