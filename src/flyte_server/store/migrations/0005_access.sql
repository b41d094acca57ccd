-- Keys, logins and the audit log.

-- Who created a run ('local:ada', 'key:nightly', …); '' for runs of earlier releases.
ALTER TABLE runs ADD COLUMN created_by TEXT NOT NULL DEFAULT '';

-- API keys; of their secrets only hashes.
CREATE TABLE api_keys (
    client_id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    secret_hash BLOB NOT NULL,
    role TEXT NOT NULL,
    -- Where the role holds; '': in all projects.
    project TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    -- NULL: never.
    expires_at INTEGER,
    revoked_at INTEGER,
    revoked_by TEXT NOT NULL DEFAULT ''
);

-- The name of a revoked key is free again; its row stays, because the audit log names it.
CREATE UNIQUE INDEX api_keys_name ON api_keys (name) WHERE revoked_at IS NULL;

-- What was changed by whom, and what was refused.
CREATE TABLE audit (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    subject TEXT NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    method TEXT NOT NULL,
    project TEXT NOT NULL,
    -- What the call was about: a run, a task, a key, …
    target TEXT NOT NULL,
    -- 'ok', the code of the refusal, or 'begun' if the control plane ended before the end was known.
    outcome TEXT NOT NULL,
    address TEXT NOT NULL
);

CREATE INDEX audit_at ON audit (at);

-- Logins of people, each one session that can be revoked.
CREATE TABLE login_sessions (
    id TEXT NOT NULL PRIMARY KEY,
    client TEXT NOT NULL,
    -- Client id of the API key that the person has shown; empty: the token of the data directory.
    key TEXT NOT NULL,
    scope TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    -- When its last token of any kind ends.
    expires_at INTEGER NOT NULL,
    revoked_at INTEGER
);

CREATE INDEX login_sessions_expired ON login_sessions (expires_at);

-- Codes of the browser flow, for one use; only their hashes.
CREATE TABLE login_codes (
    hash BLOB NOT NULL PRIMARY KEY,
    session TEXT NOT NULL REFERENCES login_sessions (id) ON DELETE CASCADE,
    client TEXT NOT NULL,
    redirect_uri TEXT NOT NULL,
    scope TEXT NOT NULL,
    challenge TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at INTEGER
);

CREATE INDEX login_codes_session ON login_codes (session);

-- Refresh tokens, for one use; only their hashes.
CREATE TABLE login_refreshes (
    hash BLOB NOT NULL PRIMARY KEY,
    session TEXT NOT NULL REFERENCES login_sessions (id) ON DELETE CASCADE,
    expires_at INTEGER NOT NULL,
    used_at INTEGER
);

CREATE INDEX login_refreshes_session ON login_refreshes (session);

-- Devices that wait for a person to let them in.
CREATE TABLE login_devices (
    hash BLOB NOT NULL PRIMARY KEY,
    user_code TEXT NOT NULL UNIQUE,
    client TEXT NOT NULL,
    scope TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    interval_seconds INTEGER NOT NULL,
    polled_at INTEGER,
    -- '' (nobody has answered), 'allowed' or 'refused'.
    answer TEXT NOT NULL DEFAULT '',
    session TEXT NOT NULL DEFAULT ''
);

CREATE INDEX login_devices_expired ON login_devices (expires_at);
