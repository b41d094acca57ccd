-- Triggers as they are now; what somebody deletes stays, with the moment.  The order of the columns is that of the record.
CREATE TABLE triggers (
    project TEXT NOT NULL,
    domain TEXT NOT NULL,
    task_name TEXT NOT NULL,
    name TEXT NOT NULL,
    revision INTEGER NOT NULL,
    task_version TEXT NOT NULL,
    active INTEGER NOT NULL,
    automation BLOB NOT NULL,
    spec BLOB NOT NULL,
    input_uri TEXT NOT NULL,
    schedule TEXT,
    catch_up TEXT NOT NULL,
    deployed_by TEXT NOT NULL,
    updated_by TEXT NOT NULL,
    deployed_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    deleted_at INTEGER,
    triggered_at INTEGER,
    next_tick INTEGER,
    due_at INTEGER,
    last_run TEXT NOT NULL,
    error TEXT NOT NULL,
    failures INTEGER NOT NULL,
    PRIMARY KEY (project, domain, task_name, name)
);

-- For the loop of ticks: what is due.
CREATE INDEX triggers_due ON triggers (due_at) WHERE due_at IS NOT NULL;

-- What somebody made of a trigger, once each.
CREATE TABLE trigger_revisions (
    project TEXT NOT NULL,
    domain TEXT NOT NULL,
    task_name TEXT NOT NULL,
    name TEXT NOT NULL,
    revision INTEGER NOT NULL,
    action INTEGER NOT NULL,
    task_version TEXT NOT NULL,
    active INTEGER NOT NULL,
    automation BLOB NOT NULL,
    spec BLOB NOT NULL,
    deployed_by TEXT NOT NULL,
    updated_by TEXT NOT NULL,
    deployed_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    deleted_at INTEGER,
    PRIMARY KEY (project, domain, task_name, name, revision)
);

-- Of a run that a trigger has started: which one (JSON).
ALTER TABLE runs ADD COLUMN trigger TEXT;
CREATE INDEX runs_by_trigger ON runs (project, domain, json_extract(trigger, '$.name'), created_at)
WHERE trigger IS NOT NULL;
