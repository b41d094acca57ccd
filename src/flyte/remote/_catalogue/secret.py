"""A handle of one secret: that it is there, not what is in it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Literal

from flyteidl2.secret import definition_pb2, payload_pb2

from flyte import _session, errors
from flyte.remote import _listing
from flyte.remote._common import ToJSONMixin, named
from flyte.remote._listing import ListRequest
from flyte.syncify import syncify

SecretTypes = Literal["regular", "image_pull"]
"""For tasks, or for whoever pulls their images."""

_TYPES: dict[str, definition_pb2.SecretType] = {
    "regular": definition_pb2.SECRET_TYPE_GENERIC,
    "image_pull": definition_pb2.SECRET_TYPE_IMAGE_PULL_SECRET,
}
_LIST = "list secrets with: flyte get secret"


@dataclass
class Secret(ToJSONMixin):
    """A value that the control plane keeps sealed and gives to tasks that ask for it (`flyte.Secret`).

    It holds for a domain of a project, for a whole project, or (without both) everywhere; a task gets the one of the
    narrowest scope.  The value itself is never given back.

    Example:
        >>> flyte.remote.Secret.create("openai-key", "sk-…")
        >>> [secret.name for secret in flyte.remote.Secret.listall()]
        ['openai-key']
    """

    pb2: definition_pb2.Secret

    @syncify
    @classmethod
    async def create(
        cls,
        name: str,
        value: str | bytes,
        type: SecretTypes = "regular",  # noqa: A002
        cluster_pool: str | None = None,
        *,
        project: str | None = None,
        domain: str | None = None,
    ) -> None:
        """Keep a new secret.

        Args:
            name: letters, digits, `_`, `-` and `.`.
            value: at most 1 MiB; one with bytes that are no UTF-8 is best mounted as a file.
            type: for tasks, or for whoever pulls their images.
            cluster_pool: not supported; leave it out.
            project: only tasks of this project get it (default: all).
            domain: only tasks of this domain get it (default: all).

        Raises:
            DefinitionError: there is one of this name already; delete it first.
        """
        spec = definition_pb2.SecretSpec(type=_type(type))
        if isinstance(value, bytes):
            spec.binary_value = value
        else:
            spec.string_value = value
        request = payload_pb2.CreateSecretRequest(
            id=_id(name, cluster_pool, project, domain), secret_spec=spec
        )
        plane = await _session.current().control_plane()
        try:
            await plane.secrets.create_secret(request)
        except errors.UnionRpcError as error:
            if error.code == "already_exists":
                raise errors.DefinitionError(
                    f"secret {name!r} exists already; delete it first: flyte delete secret {name}"
                ) from error
            raise

    @syncify
    @classmethod
    async def get(
        cls,
        name: str,
        cluster_pool: str | None = None,
        *,
        project: str | None = None,
        domain: str | None = None,
    ) -> "Secret":
        """What is known of a secret of exactly this scope.

        Raises:
            ActionNotFoundError: there is no such secret.
        """
        request = payload_pb2.GetSecretRequest(id=_id(name, cluster_pool, project, domain))
        plane = await _session.current().control_plane()
        with named(f"secret {name!r}", _LIST):
            response = await plane.secrets.get_secret(request)
        return cls(response.secret)

    @syncify
    @classmethod
    async def listall(
        cls,
        limit: int = 10,
        cluster_pool: str | None = None,
        *,
        project: str | None = None,
        domain: str | None = None,
    ) -> AsyncIterator["Secret"]:
        """Secrets, by name.

        Args:
            limit: how many at most.
            cluster_pool: not supported; leave it out.
            project: those that tasks of this project may ask for (default: all there are).
            domain: those that tasks of this domain may ask for (default: all there are).
        """
        scope = _id("", cluster_pool, project, domain)
        plane = await _session.current().control_plane()

        async def page(request: ListRequest) -> tuple[list[Secret], str]:
            response = await plane.secrets.list_secrets(
                payload_pb2.ListSecretsRequest(
                    limit=request.limit,
                    token=request.token,
                    organization=scope.organization,
                    project=scope.project,
                    domain=scope.domain,
                )
            )
            return [cls(each) for each in response.secrets], response.token

        async for secret in _listing.items(page, (), limit=limit):
            yield secret

    @syncify
    @classmethod
    async def delete(
        cls,
        name: str,
        cluster_pool: str | None = None,
        *,
        project: str | None = None,
        domain: str | None = None,
    ) -> None:
        """Forget a secret of exactly this scope; tasks that run have it already.

        Raises:
            ActionNotFoundError: there is no such secret.
        """
        request = payload_pb2.DeleteSecretRequest(id=_id(name, cluster_pool, project, domain))
        plane = await _session.current().control_plane()
        with named(f"secret {name!r}", _LIST):
            await plane.secrets.delete_secret(request)

    @property
    def name(self) -> str:
        """Its name."""
        return self.pb2.id.name

    @property
    def type(self) -> str:
        """`regular` or `image_pull`."""
        kind = self.pb2.secret_metadata.type
        return next((name for name, number in _TYPES.items() if number == kind), "regular")

    @property
    def scope(self) -> str:
        """For whom it holds: `project/domain`, `project`, `*/domain`, or `everywhere`."""
        project, domain = self.pb2.id.project, self.pb2.id.domain
        if domain:
            return f"{project or '*'}/{domain}"
        return project or "everywhere"


def _type(name: str) -> definition_pb2.SecretType:
    if name not in _TYPES:
        raise errors.DefinitionError(
            f"there is no type of secret {name!r}, only: {', '.join(_TYPES)}"
        )
    return _TYPES[name]


def _id(
    name: str, cluster_pool: str | None, project: str | None, domain: str | None
) -> definition_pb2.SecretIdentifier:
    if cluster_pool is not None:
        raise errors.DefinitionError(
            f"cluster_pool={cluster_pool!r}: pools of clusters are not supported; leave it out"
        )
    return definition_pb2.SecretIdentifier(
        name=name,
        organization=_session.current().org or "",
        project=project or "",
        domain=domain or "",
    )
