-- Projects: what runs and tasks belong to.
CREATE TABLE projects (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    state INTEGER NOT NULL
);

-- Task, trace and other specifications as they came, once each.
CREATE TABLE specs (
    digest TEXT PRIMARY KEY,
    body BLOB NOT NULL
);

-- Deployed tasks.
CREATE TABLE tasks (
    project TEXT NOT NULL,
    domain TEXT NOT NULL,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    spec_digest TEXT NOT NULL REFERENCES specs (digest),
    short_name TEXT NOT NULL,
    environment TEXT NOT NULL,
    deployed_at INTEGER NOT NULL,
    PRIMARY KEY (project, domain, name, version)
);

CREATE INDEX tasks_by_deployment ON tasks (project, domain, name, deployed_at);

-- Runs; seq counts the changes to their actions.
CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    project TEXT NOT NULL,
    domain TEXT NOT NULL,
    name TEXT NOT NULL,
    spec BLOB NOT NULL,
    labels TEXT NOT NULL,
    source INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    UNIQUE (project, domain, name)
);

CREATE INDEX runs_by_creation ON runs (project, domain, created_at);

-- Actions.  The order of the columns is the order in store/rows.py; later migrations append.
CREATE TABLE actions (
    run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    parent TEXT,
    kind TEXT NOT NULL,
    phase TEXT NOT NULL,
    task_name TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    policy TEXT NOT NULL,
    task_version TEXT NOT NULL,
    short_name TEXT NOT NULL,
    environment TEXT NOT NULL,
    group_name TEXT NOT NULL,
    spec_digest TEXT REFERENCES specs (digest),
    input_uri TEXT NOT NULL,
    output_base TEXT NOT NULL,
    output_uri TEXT NOT NULL,
    cache_key TEXT,
    cache_status TEXT NOT NULL,
    cache_source TEXT,
    attempt INTEGER NOT NULL,
    token TEXT NOT NULL,
    user_failures INTEGER NOT NULL,
    system_failures INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    queued_at INTEGER NOT NULL,
    started_at INTEGER,
    attempt_started_at INTEGER,
    limit_at INTEGER,
    ended_at INTEGER,
    aborting TEXT,
    stopping TEXT,
    failure TEXT,
    version INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (run_id, name),
    FOREIGN KEY (run_id, parent) REFERENCES actions (run_id, name) ON DELETE CASCADE
);

-- For watchers of a run, and its phase counts.
CREATE INDEX actions_by_seq ON actions (run_id, seq, phase);

-- For watchers of a parent, and its phase counts.
CREATE INDEX actions_by_parent ON actions (run_id, parent, seq, phase);

-- For the scheduler's claim: children and roots apart, the oldest first.
CREATE INDEX actions_queued ON actions ((parent IS NULL), due_at) WHERE phase = 'queued';

-- For the capacity and the reconciler: attempts that have a process.
CREATE INDEX actions_live ON actions (run_id, name) WHERE phase IN ('initializing', 'running');

-- For "does it still have children": actions that have not ended.
CREATE INDEX actions_open ON actions (run_id, parent, phase)
WHERE phase IN ('queued', 'waiting_for_resources', 'initializing', 'running', 'paused');

-- For the time limits.
CREATE INDEX actions_limited ON actions (limit_at) WHERE limit_at IS NOT NULL;

-- Attempts of actions.
CREATE TABLE attempts (
    run_id INTEGER NOT NULL,
    action TEXT NOT NULL,
    number INTEGER NOT NULL,
    token TEXT NOT NULL,
    phase TEXT NOT NULL,
    worker TEXT NOT NULL,
    pid INTEGER,
    queued_at INTEGER NOT NULL,
    claimed_at INTEGER NOT NULL,
    started_at INTEGER,
    ended_at INTEGER,
    failure TEXT,
    output_uri TEXT NOT NULL,
    PRIMARY KEY (run_id, action, number),
    FOREIGN KEY (run_id, action) REFERENCES actions (run_id, name) ON DELETE CASCADE
);

-- Outputs that may be taken instead of executing again.
CREATE TABLE cache (
    project TEXT NOT NULL,
    domain TEXT NOT NULL,
    key TEXT NOT NULL,
    source TEXT NOT NULL,
    output_uri TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (project, domain, key)
);
