-- name: listing
-- Everything that is set aside, the longest first.
SELECT * FROM set_aside ORDER BY since;

-- name: of_action
-- What is set aside of one action.
SELECT * FROM set_aside WHERE run_id = :run_id AND action = :action ORDER BY since;

-- name: of_run
-- What is set aside of one run.
SELECT * FROM set_aside WHERE run_id = :run_id ORDER BY since;

-- name: load^
-- One entry.
SELECT * FROM set_aside WHERE subject = :subject;

-- name: save!
-- An entry, new or changed; how long it has been there stays.
INSERT INTO set_aside VALUES (:subject, :run_id, :action, :error, :failures, :since, :until)
ON CONFLICT (subject) DO UPDATE SET error = excluded.error, failures = excluded.failures, until = excluded.until;

-- name: delete!
-- An entry no longer.
DELETE FROM set_aside WHERE subject = :subject;

-- name: unknown_phases
-- Actions whose phases are none: no other statement would ever find them.
SELECT run_id, name, phase FROM actions
WHERE phase NOT IN (
    'queued', 'waiting_for_resources', 'initializing', 'running', 'paused',
    'succeeded', 'failed', 'aborted', 'timed_out', 'recovered'
)
LIMIT :limit;
