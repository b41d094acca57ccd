"""How a run goes back to an earlier one: what its RunSpec says."""

from functools import lru_cache

from flyteidl2.common import identifier_pb2, run_pb2
from flyteidl2.task import run_pb2 as task_run_pb2

from flyte_server.domain.records import Run
from flyte_server.services.wire import ids
from flyte_server.services.wire.ids import ProjectName, RunName

_RECOVER = run_pb2.RELATION_TYPE_RECOVER


def recovers(spec: task_run_pb2.RunSpec, project: ProjectName) -> RunName | None:
    """The run that is to be recovered; None if the new run stands for itself.

    Args:
        spec: the new run's.
        project: where it runs; the earlier one is looked for there unless it is named in full.

    Raises:
        Invalid: the earlier run has no name that a run can have.
    """
    if spec.relation.relation_type != _RECOVER and not spec.HasField("recover"):
        return None
    source = identifier_pb2.RunIdentifier(project=project.project, domain=project.domain)
    source.MergeFrom(spec.relation.related_to if spec.HasField("relation") else spec.related_to)
    return ids.run(source)


def of_run(run: Run) -> run_pb2.Relation | None:
    """The relation of a run to another; None if it stands for itself."""
    return _relation(run.spec)


@lru_cache(maxsize=256)
def _relation(spec: bytes) -> run_pb2.Relation | None:
    found = task_run_pb2.RunSpec.FromString(spec)
    return found.relation if found.HasField("relation") else None
