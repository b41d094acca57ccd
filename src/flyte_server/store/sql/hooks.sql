-- name: insert!
-- Somebody is to be told of a condition.
INSERT INTO hooks VALUES (:run_id, :action, :url, :payload, 0, :due_at);

-- name: due
-- Who is to be told now, the longest waiting first.
SELECT run_id, action, url, payload, failures FROM hooks WHERE due_at <= :now ORDER BY due_at LIMIT :limit;

-- name: next_due_at$
-- When somebody is to be told next.
SELECT min(due_at) FROM hooks;

-- name: put_off!
-- It could not be told; it is tried again later.
UPDATE hooks SET failures = :failures, due_at = :due_at WHERE run_id = :run_id AND action = :action;

-- name: delete!
-- Nobody is to be told any more.
DELETE FROM hooks WHERE run_id = :run_id AND action = :action;
