"""Image: what a task's container image is made of, as an immutable chain of layers."""

import hashlib
import re
import sys
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self, get_args

from flyte import _image_layers as layers
from flyte import _secret, errors
from flyte._image_chain import Layered
from flyte._image_layers import Layer
from flyte._secret import Secret, SecretRequest

Architecture = Literal["linux/amd64", "linux/arm64"]
_URLs = str | list[str] | tuple[str, ...] | None
_DISTRIBUTION = "flyte-standalone"
_NAME = re.compile(r"[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*")


def this_python() -> tuple[int, int]:
    """Version of the running Python, as `(3, 12)`."""
    return sys.version_info[0], sys.version_info[1]


@dataclass(frozen=True)
class Image(Layered):
    """A recipe of a container image; each `with_…` returns a new one with another layer.

    Begin with one of the `from_…` methods.  Nothing is read or built here: files are looked at by
    the image builder.  The control plane of one's own machine needs none: it makes a Python environment
    of packages, variables and sources.  A run in the caller's process uses what the caller has.

    Example:
        >>> image = Image.from_debian_base(name="trainer").with_pip_packages("scikit-learn>=1.5")
        >>> image.with_apt_packages("git") == image
        False
    """

    base_image: str | None = None
    dockerfile: Path | None = None
    registry: str | None = None
    name: str | None = None
    platform: tuple[Architecture, ...] = ("linux/amd64",)
    python_version: tuple[int, int] = field(default_factory=this_python)
    extendable: bool = False
    ref_name: str | None = None
    layers: tuple[Layer, ...] = ()
    registry_secret: Secret | None = None

    def __post_init__(self) -> None:
        if (
            sum(given is not None for given in (self.base_image, self.dockerfile, self.ref_name))
            > 1
        ):
            raise errors.DefinitionError(
                "an Image has one origin: a base image, a Dockerfile or the name of a configured "
                "image"
            )
        if self.name is not None and not _NAME.fullmatch(self.name):
            raise errors.DefinitionError(
                f"image name {self.name!r} is not valid; use lower-case letters, digits, '-', '_' "
                "and '.'"
            )
        unknown = [p for p in self.platform if p not in get_args(Architecture)]
        if unknown:
            raise errors.DefinitionError(
                f"image platform {unknown[0]!r} is not known; use "
                f"{' or '.join(get_args(Architecture))}"
            )

    # --- origins ----------------------------------------------------------------------------------

    @classmethod
    def from_debian_base(
        cls,
        python_version: tuple[int, int] | None = None,
        flyte_version: str | None = None,
        install_flyte: bool = True,
        registry: str | None = None,
        registry_secret: str | Secret | None = None,
        name: str | None = None,
        platform: tuple[Architecture, ...] | None = None,
    ) -> "Image":
        """Debian with Python and this package; layers can be added.

        Args:
            python_version: as `(3, 12)`; the default is the running one.
            flyte_version: version of this package in the image; the default is the newest one.
            install_flyte: False leaves this package out.
            registry: where the built image is pushed.
            registry_secret: login for the registry.
            name: name of the built image.
            platform: architectures to build for.
        """
        major, minor = python_version or this_python()
        package = f"{_DISTRIBUTION}=={flyte_version}" if flyte_version else _DISTRIBUTION
        return cls(
            base_image=f"python:{major}.{minor}-slim-bookworm",
            registry=registry,
            name=name or "flyte",
            platform=platform or ("linux/amd64",),
            python_version=(major, minor),
            extendable=True,
            layers=(layers.PipPackages((package,)),) if install_flyte else (),
            registry_secret=_one_secret(registry_secret),
        )

    @classmethod
    def from_base(cls, image_uri: str) -> "Image":
        """An image that exists; to add layers, `clone(name=…, extendable=True)` it first."""
        return cls(base_image=image_uri)

    @classmethod
    def from_ref_name(cls, name: str = "default") -> "Image":
        """An image that the configuration, or `flyte.init(images=…)`, knows under a name."""
        return cls(ref_name=name)

    @classmethod
    def from_dockerfile(
        cls,
        file: str | Path,
        registry: str,
        name: str,
        platform: Architecture | tuple[Architecture, ...] | None = None,
    ) -> "Image":
        """An image built of a Dockerfile; no layers can be added."""
        return cls(
            dockerfile=Path(file), registry=registry, name=name, platform=_platforms(platform)
        )

    @classmethod
    def from_uv_script(  # noqa: PLR0913 - the constructor of a word
        cls,
        script: Path | str,
        *,
        name: str,
        registry: str | None = None,
        registry_secret: str | Secret | None = None,
        python_version: tuple[int, int] | None = None,
        index_url: str | None = None,
        extra_index_urls: _URLs = None,
        pre: bool = False,
        extra_args: str | None = None,
        platform: tuple[Architecture, ...] | None = None,
        secret_mounts: SecretRequest | None = None,
    ) -> "Image":
        """Debian with the dependencies that a script names in its head (PEP 723), by uv."""
        base = cls.from_debian_base(
            python_version=python_version,
            install_flyte=False,
            registry=registry,
            registry_secret=registry_secret,
            name=name,
            platform=platform,
        )
        options = layers.pip_options(index_url, extra_index_urls, pre, extra_args)
        mounts = _secret.secrets(secret_mounts)
        return base.clone(
            addl_layer=layers.Script(
                tool="uv", file=Path(script), options=options, secret_mounts=mounts
            )
        )

    @classmethod
    def from_pixi_script(
        cls,
        script: Path | str,
        *,
        name: str,
        registry: str | None = None,
        registry_secret: str | Secret | None = None,
        environment: str = "default",
        extra_args: str | None = None,
        platform: tuple[Architecture, ...] | None = None,
        secret_mounts: SecretRequest | None = None,
    ) -> "Image":
        """Debian with the dependencies that a script names in its head, by pixi."""
        base = cls.from_debian_base(
            install_flyte=False,
            registry=registry,
            registry_secret=registry_secret,
            name=name,
            platform=platform,
        )
        options = layers.PipOptions(extra_args=extra_args)
        mounts = _secret.secrets(secret_mounts)
        return base.clone(
            addl_layer=layers.Script(
                tool="pixi",
                file=Path(script),
                environment=environment,
                options=options,
                secret_mounts=mounts,
            )
        )

    def clone(
        self,
        registry: str | None = None,
        registry_secret: str | Secret | None = None,
        name: str | None = None,
        base_image: str | None = None,
        python_version: tuple[int, int] | None = None,
        addl_layer: Layer | None = None,
        extendable: bool | None = None,
        platform: Architecture | tuple[Architecture, ...] | None = None,
    ) -> "Image":
        """A copy with some things changed; what is None stays.

        Raises:
            DefinitionError: when an image without a name is made extendable: the built one needs a
                name.
        """
        changes = {
            "registry": registry,
            "registry_secret": _one_secret(registry_secret),
            "name": name,
            "base_image": base_image,
            "python_version": python_version,
            "extendable": extendable,
            "platform": None if platform is None else _platforms(platform),
        }
        image = replace(self, **{key: value for key, value in changes.items() if value is not None})
        if image.extendable and image.name is None:
            raise errors.DefinitionError(
                "an image that is extended is built anew and needs a name; write clone(name=…, "
                "extendable=True)"
            )
        return image if addl_layer is None else image.with_layer(addl_layer)

    def validate(self) -> None:
        """Check that every file and folder is there that the image names: now, and not when it is built.

        Raises:
            DefinitionError: one is missing; the message names it and its layer.
        """
        for kind, path in layers.paths(self.layers):
            if not path.exists():
                raise errors.DefinitionError(
                    f"the layer of {kind} needs {path}, which does not exist; correct the path (it is taken from "
                    f"{Path.cwd()})"
                )
        if self.dockerfile is not None and not Path(self.dockerfile).is_file():
            raise errors.DefinitionError(
                f"the Dockerfile {self.dockerfile} does not exist; correct the path"
            )

    def with_local_v2(self) -> "Image":
        """The image with the SDK of this machine instead of a published one.

        Environments that the control plane of this machine makes have the caller's very SDK in any case, so the image
        stays as it is; the call is there for programs that are written for either.
        """
        return self

    # --- identity ---------------------------------------------------------------------------------

    @cached_property
    def content_hash(self) -> str:
        """Identity of the declaration, the same on every machine.

        What is in the files that it names is not looked at here; the image builder adds that.
        """
        declaration = (
            self.base_image, self.dockerfile, self.ref_name,
            self.platform, self.python_version, self.layers,
        )  # fmt: skip
        digest = hashlib.sha256(repr(layers.described(declaration)).encode())
        return digest.hexdigest()[:32]

    @cached_property
    def uri(self) -> str:
        """Address of the image: the existing one, or the one under which the built one is kept."""
        if self.ref_name is not None:
            return self.ref_name
        if self.base_image is not None and not self.layers:
            return self.base_image
        path = "/".join(part for part in (self.registry, self.name or "flyte") if part)
        return f"{path}:{self.content_hash}"

    def with_layer(self, layer: Layer) -> Self:
        """One more layer; the other `with_…` methods make the usual ones."""
        if not self.extendable:
            origin = self.base_image or self.dockerfile or self.ref_name
            raise errors.DefinitionError(
                f"image {origin} cannot take another layer; make it a new image first: "
                "clone(name=…, extendable=True)"
            )
        return replace(self, layers=(*self.layers, layer))


@dataclass(frozen=True, slots=True)
class ImageBuild:
    """Outcome of building an image."""

    uri: str | None
    remote_run: Any
    """The run that built it, for remote builders."""
    build_run: Any = None


ImageRequest = str | Image | Literal["auto"] | None
"""What `image` takes: an `Image`, the address of one, or `auto` for the default one."""


def image(request: ImageRequest) -> Image:
    """The `Image` that an `image=` argument asks for.

    Raises:
        DefinitionError: when it is something else.
    """
    if isinstance(request, Image):
        return request
    if request is None or request == "auto":
        return Image.from_debian_base()
    if isinstance(request, str) and request:
        return Image.from_base(request)
    raise errors.DefinitionError(
        "image must be a flyte.Image, the address of an image or 'auto', got "
        f"{type(request).__name__}: {request!r}"
    )


def needs_build(image: Image) -> bool:
    """Whether the image has to be made: it has layers or a Dockerfile, and is not the default one.

    The default image stands for the caller's own interpreter, which needs no image; a control plane with containers
    has one under this name.
    """
    if image.dockerfile is not None:
        return True
    return bool(image.layers) and image != Image.from_debian_base()


def _platforms(
    platform: Architecture | tuple[Architecture, ...] | None,
) -> tuple[Architecture, ...]:
    if platform is None:
        return ("linux/amd64",)
    return (platform,) if isinstance(platform, str) else tuple(platform)


def _one_secret(secret: str | Secret | None) -> Secret | None:
    return Secret(secret) if isinstance(secret, str) else secret
