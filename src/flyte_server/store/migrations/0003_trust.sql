-- Where an action waits; how many may run at once stands in `limits`.  The order of the columns is that of store/rows.py.
ALTER TABLE actions ADD COLUMN queue TEXT NOT NULL DEFAULT '';

-- Of a recovered action: whose outputs it has, as `run/action`, `project/domain/` before it if those are others.
ALTER TABLE actions ADD COLUMN recovered_from TEXT;

-- How many actions of the run may be alive at once; 0: no limit of its own.
ALTER TABLE runs ADD COLUMN max_concurrency INTEGER NOT NULL DEFAULT 0;

-- Of a run that recovers an earlier one: which, and what is executed all the same (JSON).
ALTER TABLE runs ADD COLUMN recovery TEXT;

-- What the run occupies on the disk, measured after its end; NULL: not measured yet.
ALTER TABLE runs ADD COLUMN bytes INTEGER;

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
