-- Accelerators that are the attempt's own while it is alive (JSON list of ids; empty: none).
ALTER TABLE attempts ADD COLUMN devices TEXT NOT NULL DEFAULT '';

-- What the attempt has used (JSON); NULL: not known.
ALTER TABLE attempts ADD COLUMN usage TEXT;

-- Secrets, sealed with a key that lies outside of the database.
CREATE TABLE secrets (
    project TEXT NOT NULL,
    domain TEXT NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    sealed BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (project, domain, name)
);

-- Whose turn it is: roots of a lane wait in one line, the children of a run in one of their own, the oldest first.
DROP INDEX actions_queued;
CREATE INDEX actions_queued ON actions (lane, (CASE WHEN parent IS NULL THEN 0 ELSE run_id END), due_at, seq)
WHERE phase = 'queued';
