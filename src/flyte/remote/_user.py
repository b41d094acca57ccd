"""Who the control plane takes the caller for."""

from dataclasses import dataclass

from flyteidl2.auth import identity_pb2

from flyte import _session
from flyte.remote._common import ToJSONMixin
from flyte.syncify import syncify


@dataclass
class User(ToJSONMixin):
    """The user that calls are made as."""

    pb2: identity_pb2.UserInfoResponse

    @syncify
    @classmethod
    async def get(cls) -> "User":
        """Ask the control plane."""
        plane = await _session.current().control_plane()
        return cls(await plane.identity.user_info(identity_pb2.UserInfoRequest()))

    def subject(self) -> str:
        """The user's identifier."""
        return self.pb2.subject

    def name(self) -> str:
        """The user's name for people."""
        return self.pb2.name
