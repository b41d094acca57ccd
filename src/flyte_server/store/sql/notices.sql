-- name: insert!
-- Somebody is to be told when a run has ended.
INSERT INTO notices VALUES (:run_id, :number, :phases, :delivery, 'waiting', 0, :due_at, NULL, '');

-- name: due
-- What is to be told of runs that have ended, the longest waiting first.
SELECT n.* FROM notices AS n JOIN actions AS a ON a.run_id = n.run_id AND a.name = 'a0'
WHERE n.state = 'waiting' AND n.due_at <= :now AND a.ended_at IS NOT NULL
ORDER BY n.due_at LIMIT :limit;

-- name: next_due_at$
-- When something is tried again, or was to be sent by somebody who is gone.
SELECT min(due_at) FROM notices WHERE state = 'waiting' AND due_at > :now;

-- name: claim!
-- Nobody else sends it until then.
UPDATE notices SET due_at = :until
WHERE run_id = :run_id AND number = :number AND state = 'waiting' AND due_at = :due_at;

-- name: put_off!
-- It could not be told; it is tried again later.
UPDATE notices SET failures = :failures, due_at = :due_at, error = :error
WHERE run_id = :run_id AND number = :number AND state = 'waiting';

-- name: settle!
-- It was told, given up, or is not to be told.
UPDATE notices SET state = :state, failures = :failures, ended_at = :ended_at, error = :error
WHERE run_id = :run_id AND number = :number;

-- name: of_run
-- Everything that a run tells.
SELECT * FROM notices WHERE run_id = :run_id ORDER BY number;
