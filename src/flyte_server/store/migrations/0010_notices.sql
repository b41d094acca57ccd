-- What is told when a run has ended, one row for each receiver; written with the run.
CREATE TABLE notices (
    run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    phases TEXT NOT NULL,
    delivery BLOB NOT NULL,
    state TEXT NOT NULL,
    failures INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    ended_at INTEGER,
    error TEXT NOT NULL,
    PRIMARY KEY (run_id, number)
);

CREATE INDEX notices_waiting ON notices (due_at) WHERE state = 'waiting';
