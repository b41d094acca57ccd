"""Where a task keeps raw data: beside its metadata, or in our bucket if its runtime keeps it in object stores only.

The official runtime takes a plain path for a store that lasts and copies nothing there: what a task returns as a file
would go with its working directory.  Our own runtime copies, and writes local files fastest.
"""

import posixpath
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from flyte_server.blobs import LocalBlobs
from flyte_server.domain.records import Action
from flyte_server.services.directory import Directory, RunFacts
from flyte_server.services.launch.templates import Template
from flyte_server.services.objects.credentials import REGION, Credentials
from flyte_server.services.objects.runs import KnownRuns
from flyte_server.services.recent import Recent
from flyte_server.settings import Settings

_ENTRYPOINT = "a0"
_OWN_STORE = ("FLYTE_AWS_", "AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID")
"""Variables with which a task or run says that it uses a store of its own."""
_BUCKET = "_U_OBJECTS"
"""Says to our SDK (`flyte/storage/_addresses.py`) which addresses are files of this machine: `bucket=directory`."""
_REMEMBERED = 256
_FOLDER = "raw"
_MARKS = ("flyte_standalone-*.dist-info", "flyte/_entrypoints/host.py")
"""What our SDK, and no other, leaves among the packages of an environment."""


@dataclass(frozen=True, slots=True)
class RawData:
    """What an attempt is told of its raw data."""

    prefix: str
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    hidden: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)


class RawPlaces:
    """Decides where attempts keep their raw data.

    Example:
        raw = RawPlaces(settings, blobs, directory).of(facts, action, template, variables)
    """

    def __init__(self, settings: Settings, blobs: LocalBlobs, directory: Directory) -> None:
        self._bucket = blobs.bucket
        self._credentials = Credentials(blobs, KnownRuns(directory))
        self._endpoint = settings.endpoint
        self._environments = settings.environments
        self._answers: Recent[tuple[str, tuple[int, ...]], bool] = Recent(_REMEMBERED)

    def of(
        self, facts: RunFacts, action: Action, template: Template, chosen: Mapping[str, str]
    ) -> RawData:
        """The place of an attempt's raw data, and what it needs to write there.

        Args:
            chosen: variables of the attempt; its interpreter is one of them.
        """
        run = facts.run
        env = {_BUCKET: f"{self._bucket.name}={self._bucket.root}"}
        if facts.raw_data_prefix:
            return RawData(posixpath.join(facts.raw_data_prefix, run.name, action.name), env)
        path = Path(action.output_base, action.name, _FOLDER)
        own = self._bucket.root / run.project / run.domain / run.name
        if not path.is_relative_to(own) or not self._wants_store(template, chosen):
            return RawData(str(path), env)
        credential = self._credentials.of_run(run.id, run.project, run.domain, run.name)
        return RawData(
            self._bucket.uri(path.relative_to(self._bucket.root).as_posix()),
            env
            | {
                "FLYTE_AWS_ENDPOINT": self._endpoint,
                "FLYTE_AWS_ACCESS_KEY_ID": credential.access_key,
                "AWS_REGION": chosen.get("AWS_REGION", REGION),
            },
            {"FLYTE_AWS_SECRET_ACCESS_KEY": credential.secret},
        )

    def _wants_store(self, template: Template, chosen: Mapping[str, str]) -> bool:
        if template.command[:1] != (_ENTRYPOINT,) or any(
            name.startswith(_OWN_STORE) for name in chosen
        ):
            return False
        return not self._has_own_sdk(Path(chosen.get("VIRTUAL_ENV", sys.prefix)))

    def _has_own_sdk(self, prefix: Path) -> bool:
        """Whether tasks in an environment run in our SDK, asked again when packages were installed there.

        In doubt not: ours knows addresses of the bucket, the other one loses data at a path.
        """
        if prefix == Path(sys.prefix) or prefix.is_relative_to(self._environments):
            return True
        packages = sorted(prefix.glob("lib/python3*/site-packages"))
        key = str(prefix), tuple(each.stat().st_mtime_ns for each in packages)
        known = self._answers.get(key)
        if known is not None:
            return known
        found = any(next(each.glob(mark), None) for each in packages for mark in _MARKS)
        return self._answers.put(key, bool(found))
