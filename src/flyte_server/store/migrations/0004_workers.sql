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
