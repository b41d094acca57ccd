-- Where an action waits; how many may run at once stands in `limits`.  The order of the columns is that of store/rows.py.
ALTER TABLE actions ADD COLUMN queue TEXT NOT NULL DEFAULT '';

-- Of a recovered action: whose outputs it has, as `run/action`, `project/domain/` before it if those are others.
ALTER TABLE actions ADD COLUMN recovered_from TEXT;

-- Which limits hold for it besides the number of slots, as domain/capacity.py writes it; the scheduler claims per lane.
ALTER TABLE actions ADD COLUMN lane TEXT NOT NULL DEFAULT '';
DROP INDEX actions_queued;
CREATE INDEX actions_queued ON actions (lane, (parent IS NULL), due_at) WHERE phase = 'queued';

-- How long the machine slept while it waited, or while its attempt ran; microseconds that no time limit counts.
ALTER TABLE actions ADD COLUMN slept_us INTEGER NOT NULL DEFAULT 0;

-- When an abort was asked for or a time limit was hit; NULL when neither is so, and after the end.
ALTER TABLE actions ADD COLUMN ending_since INTEGER;

-- How many actions of the run may be alive at once; 0: no limit of its own.
ALTER TABLE runs ADD COLUMN max_concurrency INTEGER NOT NULL DEFAULT 0;

-- Of a run that recovers an earlier one: which, and what is executed all the same (JSON).
ALTER TABLE runs ADD COLUMN recovery TEXT;

-- What the run's data and its logs occupy on the disk, measured after its end; NULL: not measured yet.
ALTER TABLE runs ADD COLUMN bytes INTEGER;
ALTER TABLE runs ADD COLUMN log_bytes INTEGER;

-- For retention: who has results of a run, and which specifications nothing has any more.
CREATE INDEX actions_hits ON actions (cache_source) WHERE cache_status = 'hit';
CREATE INDEX actions_recovered ON actions (recovered_from) WHERE recovered_from IS NOT NULL;
CREATE INDEX actions_by_spec ON actions (spec_digest);
CREATE INDEX tasks_by_spec ON tasks (spec_digest);
CREATE INDEX runs_recovering ON runs (json_extract(recovery, '$.run_id'));
CREATE INDEX cache_by_source ON cache (project, domain, source);

-- Numbers that are kept under a name.
CREATE TABLE marks (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
);

-- Who is alive: control planes and hosts.  A lease is live while `beats` grows; clocks of others are not believed.
CREATE TABLE leases (
    worker TEXT PRIMARY KEY,
    plane TEXT NOT NULL,
    beats INTEGER NOT NULL,
    seconds REAL NOT NULL,
    renewed_at INTEGER NOT NULL
);

-- Rows that made trouble and are left alone for a while, each with its error.
CREATE TABLE set_aside (
    subject TEXT PRIMARY KEY,
    run_id INTEGER,
    action TEXT,
    error TEXT NOT NULL,
    failures INTEGER NOT NULL,
    since INTEGER NOT NULL,
    until INTEGER NOT NULL
);

-- How many actions of an environment or a queue may be alive at once.
CREATE TABLE limits (
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    most INTEGER NOT NULL,
    PRIMARY KEY (kind, name)
);
