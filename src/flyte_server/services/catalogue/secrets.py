"""SecretService: what tasks may ask for and nobody may read: values come in here, and never leave."""

import re
from collections.abc import Callable
from typing import Any

from connectrpc.request import RequestContext
from flyteidl2.secret import definition_pb2, payload_pb2, secret_connect

from flyte_server.clock import Clock
from flyte_server.domain.errors import AlreadyExists, Invalid, NotFound
from flyte_server.domain.secrets import SealedSecret, SecretKind, SecretName
from flyte_server.services import listing
from flyte_server.services.wire import ids, times
from flyte_server.store.catalogue import secrets
from flyte_server.store.database import Database
from flyte_server.store.rows import Connection
from flyte_server.vault import Vault

Context = RequestContext[Any, Any]

LARGEST_BYTES = 1024 * 1024
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,253}")
_KINDS = {
    definition_pb2.SECRET_TYPE_GENERIC: SecretKind.GENERIC,
    definition_pb2.SECRET_TYPE_IMAGE_PULL_SECRET: SecretKind.IMAGE_PULL,
}
_TYPES = {kind: number for number, kind in _KINDS.items()}


class SecretService(secret_connect.SecretService):
    """Create, change, list and delete secrets.  Answers tell what there is, never what is in it."""

    def __init__(self, database: Database, vault: Vault, clock: Clock) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock

    async def create_secret(
        self, request: payload_pb2.CreateSecretRequest, ctx: Context
    ) -> payload_pb2.CreateSecretResponse:
        name = _name(request.id)
        if not await self._keep(secrets.create, name, request.secret_spec):
            raise AlreadyExists(f"Secret {name} exists already; delete it first, or update it.")
        return payload_pb2.CreateSecretResponse()

    async def update_secret(
        self, request: payload_pb2.UpdateSecretRequest, ctx: Context
    ) -> payload_pb2.UpdateSecretResponse:
        name = _name(request.id)
        if not await self._keep(secrets.update, name, request.secret_spec):
            raise _missing(name)
        return payload_pb2.UpdateSecretResponse()

    async def get_secret(
        self, request: payload_pb2.GetSecretRequest, ctx: Context
    ) -> payload_pb2.GetSecretResponse:
        name = _name(request.id)
        found = await self._database.read(secrets.load, name)
        if found is None:
            raise _missing(name)
        return payload_pb2.GetSecretResponse(secret=_message(found))

    async def delete_secret(
        self, request: payload_pb2.DeleteSecretRequest, ctx: Context
    ) -> payload_pb2.DeleteSecretResponse:
        name = _name(request.id)
        if not await self._database.write(secrets.delete, name):
            raise _missing(name)
        return payload_pb2.DeleteSecretResponse()

    async def list_secrets(
        self, request: payload_pb2.ListSecretsRequest, ctx: Context
    ) -> payload_pb2.ListSecretsResponse:
        page = listing.Page(listing.limit(request.limit), listing.offset(request.token))
        rows = await self._database.read(
            secrets.listing, request.project, request.domain, page.fetch, page.offset
        )
        shown, token = page.cut(rows)
        return payload_pb2.ListSecretsResponse(secrets=map(_message, shown), token=token)

    async def _keep(
        self,
        save: Callable[[Connection, SealedSecret], bool],
        name: SecretName,
        spec: definition_pb2.SecretSpec,
    ) -> bool:
        """Seal and save in one transaction: the key that seals cannot be taken away in between."""
        value = _value(name, spec)
        now = self._clock.now_us()
        kind = _KINDS.get(spec.type, SecretKind.GENERIC)

        def sealed_and_saved(connection: Connection) -> bool:
            sealed = self._vault.seal(value, name.place)
            return save(connection, SealedSecret(name, kind, sealed, now, now))

        return await self._database.write(sealed_and_saved)


def _value(name: SecretName, spec: definition_pb2.SecretSpec) -> bytes:
    value = spec.binary_value or spec.string_value.encode()
    if not value:
        raise Invalid(f"The value of secret {name} is empty; send one.")
    if len(value) > LARGEST_BYTES:
        raise Invalid(
            f"The value of secret {name} has {len(value):,} bytes, and {LARGEST_BYTES:,} are the most; keep it in a "
            "file of the task's raw data, and the key to it as a secret."
        )
    return value


def _name(message: definition_pb2.SecretIdentifier) -> SecretName:
    if not _NAME.fullmatch(message.name):
        raise Invalid(
            f"A secret cannot be called {message.name!r}; use 1 to 253 letters, digits, '_', '-' and '.'."
        )
    project, domain = message.project, message.domain
    return SecretName(
        message.name,
        ids.name(project, where="id.project") if project else "",
        ids.name(domain, where="id.domain") if domain else "",
    )


def _missing(name: SecretName) -> NotFound:
    return NotFound(f"There is no secret {name}; list them with 'flyte get secret'.")


def _message(secret: SealedSecret) -> definition_pb2.Secret:
    name = secret.name
    return definition_pb2.Secret(
        id=definition_pb2.SecretIdentifier(
            name=name.name, organization=ids.ORG, domain=name.domain, project=name.project
        ),
        secret_metadata=definition_pb2.SecretMetadata(
            created_time=times.timestamp(secret.created_at),
            secret_status=definition_pb2.SecretStatus(overall_status=definition_pb2.FULLY_PRESENT),
            type=_TYPES[secret.kind],
        ),
    )
