-- name: load^
-- A trigger by its name, also one that was deleted.
SELECT * FROM triggers
WHERE project = :project AND domain = :domain AND task_name = :task_name AND name = :name;

-- name: insert!
-- A new trigger; one that is there stays as it is.
INSERT INTO triggers VALUES (
    :project, :domain, :task_name, :name, :revision, :task_version, :active, :automation, :spec, :input_uri,
    :schedule, :catch_up, :deployed_by, :updated_by, :deployed_at, :updated_at, :deleted_at, :triggered_at,
    :next_tick, :due_at, :last_run, :error, :failures
)
ON CONFLICT (project, domain, task_name, name) DO NOTHING;

-- name: update!
-- Another revision of a trigger, if it still has the one that this was made from; what its ticks did stays.
UPDATE triggers SET
    revision = :revision, task_version = :task_version, active = :active, automation = :automation, spec = :spec,
    input_uri = :input_uri, schedule = :schedule, catch_up = :catch_up, deployed_by = :deployed_by,
    updated_by = :updated_by, deployed_at = :deployed_at, updated_at = :updated_at, deleted_at = :deleted_at,
    next_tick = :next_tick, due_at = :due_at, error = :error, failures = :failures
WHERE project = :project AND domain = :domain AND task_name = :task_name AND name = :name
AND revision = :expected;

-- name: note_revision!
-- What somebody made of a trigger.
INSERT INTO trigger_revisions VALUES (
    :project, :domain, :task_name, :name, :revision, :action, :task_version, :active, :automation, :spec,
    :deployed_by, :updated_by, :deployed_at, :updated_at, :deleted_at
);

-- name: revision^
-- One revision of a trigger.
SELECT * FROM trigger_revisions
WHERE project = :project AND domain = :domain AND task_name = :task_name AND name = :name
AND revision = :revision;

-- name: history
-- The revisions of a trigger, the newest first.
SELECT * FROM trigger_revisions
WHERE project = :project AND domain = :domain AND task_name = :task_name AND name = :name
ORDER BY revision DESC LIMIT :limit OFFSET :offset;

-- name: listing
-- Triggers that nobody deleted; the conditions and the order come from store/filters.py.
SELECT t.* FROM triggers AS t
WHERE t.deleted_at IS NULL AND {conditions}
ORDER BY {order}
LIMIT :limit OFFSET :offset;

-- name: due
-- Triggers that are to be looked at, the longest due first.
SELECT * FROM triggers WHERE due_at <= :now ORDER BY due_at LIMIT :limit;

-- name: next_due_at$
-- When the next trigger is to be looked at.
SELECT min(due_at) FROM triggers WHERE due_at IS NOT NULL;

-- name: expects$
-- Whether a trigger still waits for a tick that somebody has decided about.
SELECT 1 FROM triggers
WHERE project = :project AND domain = :domain AND task_name = :task_name AND name = :name
AND revision = :revision AND next_tick = :expected AND due_at IS NOT NULL;

-- name: advance!
-- Wait for the following tick; the one before has its run, if it has a name.
UPDATE triggers SET
    next_tick = :following, due_at = :following, error = '', failures = 0,
    triggered_at = coalesce(:moment, triggered_at),
    last_run = CASE WHEN :run <> '' THEN :run ELSE last_run END
WHERE project = :project AND domain = :domain AND task_name = :task_name AND name = :name
AND revision = :revision AND next_tick = :expected AND due_at IS NOT NULL;

-- name: note_failure!
-- A tick's run could not be started; it is tried again later.
UPDATE triggers SET error = :error, failures = failures + 1, due_at = :due_at
WHERE project = :project AND domain = :domain AND task_name = :task_name AND name = :name
AND revision = :revision AND next_tick = :expected AND due_at IS NOT NULL;

-- name: put_off!
-- A row that cannot be read is looked at again later.
UPDATE triggers SET error = :error, failures = failures + 1, due_at = :due_at
WHERE project = :project AND domain = :domain AND task_name = :task_name AND name = :name;

-- name: input_uris
-- The inputs of all triggers that nobody deleted.
SELECT input_uri FROM triggers WHERE deleted_at IS NULL AND input_uri <> '';
