"""How one run happens, as a message."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Literal

from flyteidl2.common import identifier_pb2
from flyteidl2.common import run_pb2 as relation_pb2
from flyteidl2.core import literals_pb2
from flyteidl2.task import run_pb2

CacheLookupScope = Literal["global", "project-domain"]

_SCOPES = {
    "global": run_pb2.CACHE_LOOKUP_SCOPE_GLOBAL,
    "project-domain": run_pb2.CACHE_LOOKUP_SCOPE_PROJECT_DOMAIN,
}

_OF_ONE_RUN = ("run_start_time", "relation", "related_to", "recover")
"""What a run that repeats another does not have from it."""


def run_spec(  # noqa: PLR0913 - one parameter per option of a run
    *,
    env_vars: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    overwrite_cache: bool = False,
    cache_lookup_scope: CacheLookupScope = "global",
    interruptible: bool | None = None,
    queue: str | None = None,
    max_action_concurrency: int | None = None,
    raw_data_path: str | None = None,
    run_base_dir: str | None = None,
    run_start_time: datetime | None = None,
    service_account: str | None = None,
) -> run_pb2.RunSpec:
    """The options of a run; what is None is left to the control plane.

    Args:
        env_vars: environment variables of every action of the run.
        labels: labels of the run.
        annotations: annotations of the run.
        overwrite_cache: run even what is cached, and keep the new results.
        cache_lookup_scope: where cached results are looked for.
        interruptible: overrides the tasks' own setting.
        queue: queue in which the run waits.
        max_action_concurrency: how many actions of the run may run at the same time.
        raw_data_path: prefix for files and large values.
        run_base_dir: prefix for inputs and outputs.
        run_start_time: what the run takes for its start (aware).
        service_account: Kubernetes service account.
    """
    spec = run_pb2.RunSpec(
        queue=queue,
        max_action_concurrency=max_action_concurrency,
        run_base_dir=run_base_dir,
        overwrite_cache=overwrite_cache,
        cache_config=run_pb2.CacheConfig(
            overwrite_cache=overwrite_cache, cache_lookup_scope=_SCOPES[cache_lookup_scope]
        ),
        labels=run_pb2.Labels(values=labels),
        annotations=run_pb2.Annotations(values=annotations),
    )
    pairs = [literals_pb2.KeyValuePair(key=k, value=v) for k, v in (env_vars or {}).items()]
    spec.envs.CopyFrom(run_pb2.Envs(values=pairs))
    if interruptible is not None:
        spec.interruptible.value = interruptible
    if raw_data_path:
        spec.raw_data_storage.raw_data_prefix = raw_data_path
    if run_start_time is not None:
        spec.run_start_time.FromDatetime(run_start_time)
    if service_account:
        spec.security_context.run_as.k8s_service_account = service_account
    return spec


def again(before: run_pb2.RunSpec, now: run_pb2.RunSpec) -> run_pb2.RunSpec:
    """The options of a run that repeats another: those of the earlier one, where nothing else is chosen now."""
    spec, chosen = run_pb2.RunSpec(), run_pb2.RunSpec()
    spec.CopyFrom(before)
    chosen.CopyFrom(now)
    for field in _OF_ONE_RUN:
        spec.ClearField(field)
    variables = {pair.key: pair.value for each in (before, now) for pair in each.envs.values}
    chosen.ClearField("envs")
    if not now.overwrite_cache and now.cache_config.cache_lookup_scope == _SCOPES["global"]:
        chosen.ClearField("cache_config")  # the default: nobody chose it
    if chosen.WhichOneof("notification_settings"):
        spec.ClearField("notification_rules")
    spec.MergeFrom(chosen)
    del spec.envs.values[:]
    spec.envs.values.extend(
        literals_pb2.KeyValuePair(key=key, value=value) for key, value in variables.items()
    )
    return spec


def relate(
    spec: run_pb2.RunSpec,
    run: identifier_pb2.RunIdentifier,
    *,
    recovers: bool,
    forced: Collection[str] = (),
) -> None:
    """Say of which run this one is a rerun, or which it recovers.

    Args:
        spec: of the new run; changed.
        run: the earlier one.
        recovers: take over what succeeded in it.
        forced: names of actions that are executed all the same.
    """
    spec.relation.related_to.CopyFrom(run)
    spec.relation.relation_type = relation_pb2.RELATION_TYPE_RERUN
    if recovers:
        spec.relation.relation_type = relation_pb2.RELATION_TYPE_RECOVER
        spec.recover.CopyFrom(run_pb2.Recover(force_rerun_actions=forced))
