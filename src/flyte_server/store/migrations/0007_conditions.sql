-- What a condition was answered with, by whom, how and when (JSON); NULL: it was not, or is none.
ALTER TABLE actions ADD COLUMN answer TEXT;

-- Who is still to be told that a condition waits; a row goes when that has been done, or has become pointless.
CREATE TABLE hooks (
    run_id INTEGER NOT NULL,
    action TEXT NOT NULL,
    url TEXT NOT NULL,
    payload TEXT NOT NULL,
    failures INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    PRIMARY KEY (run_id, action),
    FOREIGN KEY (run_id, action) REFERENCES actions (run_id, name) ON DELETE CASCADE
);

CREATE INDEX hooks_due ON hooks (due_at);
