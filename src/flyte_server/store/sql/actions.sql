-- name: load^
-- One action.
SELECT * FROM actions WHERE run_id = :run_id AND name = :name;

-- name: insert*!
-- New actions.
INSERT INTO actions VALUES (
    :run_id, :name, :parent, :kind, :phase, :task_name, :created_at, :policy, :task_version, :short_name,
    :environment, :group_name, :spec_digest, :input_uri, :output_base, :output_uri, :cache_key,
    :cache_status, :cache_source, :attempt, :token, :user_failures, :system_failures, :due_at, :queued_at,
    :started_at, :attempt_started_at, :limit_at, :ended_at, :aborting, :stopping, :failure, :version, :seq,
    :serial_key, :queue, :recovered_from, :lane, :slept_us, :ending_since
);

-- name: update*!
-- Everything that can change in an action, only if it still has the version from which the change was made.
UPDATE actions SET
    phase = :phase, output_uri = :output_uri, cache_status = :cache_status, cache_source = :cache_source,
    attempt = :attempt, token = :token, user_failures = :user_failures, system_failures = :system_failures, due_at = :due_at,
    queued_at = :queued_at, started_at = :started_at, attempt_started_at = :attempt_started_at,
    limit_at = :limit_at, ended_at = :ended_at, aborting = :aborting, stopping = :stopping,
    failure = :failure, version = :version, seq = :seq, slept_us = :slept_us,
    ending_since = :ending_since
WHERE run_id = :run_id AND name = :name AND version = :expected;

-- name: children_since
-- Children of one action that changed after a cursor, in the order of their last changes.
SELECT * FROM actions WHERE run_id = :run_id AND parent = :parent AND seq > :seq ORDER BY seq;

-- name: run_since
-- Actions of a run that changed after a cursor, in the order of their last changes.
SELECT * FROM actions WHERE run_id = :run_id AND seq > :seq ORDER BY seq;

-- name: listing
-- Actions of a run; the conditions and the order come from store/filters.py.
SELECT a.* FROM actions AS a
WHERE a.run_id = :run_id AND {conditions}
ORDER BY {order}
LIMIT :limit OFFSET :offset;

-- name: run_phase_counts
-- How many actions of a run are in which phase.
SELECT phase, count(*) FROM actions WHERE run_id = :run_id GROUP BY phase;

-- name: child_phase_counts
-- How many children of an action are in which phase.
SELECT phase, count(*) FROM actions WHERE run_id = :run_id AND parent = :parent GROUP BY phase;

-- name: occupancy
-- Who holds slots: attempts that are alive, but not those of parents that wait for children; by what limits are about.
SELECT a.run_id, a.environment, a.queue, count(*) FROM actions AS a
WHERE a.phase IN ('initializing', 'running')
AND NOT EXISTS (
    SELECT 1 FROM actions AS c
    WHERE c.run_id = a.run_id AND c.parent = a.name
    AND c.phase IN ('queued', 'waiting_for_resources', 'initializing', 'running', 'paused')
)
GROUP BY a.run_id, a.environment, a.queue;

-- name: holders
-- The attempts that hold slots under one limit (or any), the oldest first, with the names of their runs.
SELECT r.project, r.domain, r.name, a.name, a.task_name FROM actions AS a JOIN runs AS r ON r.id = a.run_id
WHERE a.phase IN ('initializing', 'running')
AND CASE :kind WHEN 'run' THEN a.run_id = :name WHEN 'environment' THEN a.environment = :name
    WHEN 'queue' THEN a.queue = :name ELSE 1 END
AND NOT EXISTS (
    SELECT 1 FROM actions AS c
    WHERE c.run_id = a.run_id AND c.parent = a.name
    AND c.phase IN ('queued', 'waiting_for_resources', 'initializing', 'running', 'paused')
)
ORDER BY a.queued_at LIMIT :limit;

-- name: anybody_waits_for_turn$
-- Whether anybody waits for an equal action.
SELECT EXISTS (
    SELECT 1 FROM actions
    WHERE phase = 'waiting_for_resources' AND attempt = 0 AND coalesce(serial_key, '') <> ''
);

-- name: lanes
-- The lanes in which actions are queued: one step of the index for each lane, however many wait in it.
WITH RECURSIVE lanes (lane) AS (
    SELECT min(lane) FROM actions WHERE phase = 'queued'
    UNION ALL
    SELECT (SELECT min(a.lane) FROM actions AS a WHERE a.phase = 'queued' AND a.lane > lanes.lane)
    FROM lanes WHERE lanes.lane IS NOT NULL
)
SELECT lane FROM lanes WHERE lane IS NOT NULL;

-- name: ahead$
-- How many actions of a lane start before one that is queued in it.
SELECT count(*) FROM actions
WHERE phase = 'queued' AND lane = :lane
AND due_at + CASE WHEN parent IS NULL THEN :root_patience ELSE 0 END < :due_at;

-- name: free_to_turn
-- Actions that wait for an equal one although none executes any more; equal ones together, the oldest first.
SELECT * FROM actions AS a
WHERE a.phase = 'waiting_for_resources' AND a.attempt = 0 AND a.serial_key <> ''
AND NOT EXISTS (
    SELECT 1 FROM actions AS h
    WHERE h.serial_key = a.serial_key AND h.phase IN ('queued', 'initializing', 'running', 'paused')
)
ORDER BY a.serial_key, a.created_at, a.run_id, a.seq
LIMIT :limit;

-- name: executes^
-- The action for which the others of a serial key wait.
SELECT * FROM actions
WHERE serial_key = :serial_key AND phase IN ('queued', 'initializing', 'running', 'paused')
ORDER BY created_at LIMIT 1;

-- name: waits_for$
-- Whether what executes a serial key waits, through its children and their turns, for the end of an action.
WITH RECURSIVE needed (run_id, name) AS (
    SELECT run_id, name FROM actions
    WHERE serial_key = :serial_key AND phase IN ('queued', 'initializing', 'running', 'paused')
    UNION
    SELECT c.run_id, c.name FROM needed AS n JOIN actions AS c
    ON c.run_id = n.run_id AND c.parent = n.name
    AND c.phase IN ('queued', 'waiting_for_resources', 'initializing', 'running', 'paused')
    UNION
    SELECT h.run_id, h.name FROM needed AS n
    JOIN actions AS w ON w.run_id = n.run_id AND w.name = n.name AND w.phase = 'waiting_for_resources'
    JOIN actions AS h ON h.serial_key = w.serial_key
    AND h.phase IN ('queued', 'initializing', 'running', 'paused')
)
SELECT 1 FROM needed WHERE run_id = :run_id AND name = :name LIMIT 1;

-- name: due
-- The next actions of a lane to start: the oldest first, where roots let somewhat younger children pass.
SELECT * FROM (
    SELECT * FROM (
        SELECT * FROM actions
        WHERE phase = 'queued' AND lane = :lane AND (parent IS NULL) = 0 AND due_at <= :now
        ORDER BY due_at LIMIT :limit
    ) AS children
    UNION ALL
    SELECT * FROM (
        SELECT * FROM actions
        WHERE phase = 'queued' AND lane = :lane AND (parent IS NULL) = 1 AND due_at <= :now
        ORDER BY due_at LIMIT :limit
    ) AS roots
) AS candidates
ORDER BY due_at + CASE WHEN parent IS NULL THEN :root_patience ELSE 0 END, seq
LIMIT :limit;

-- name: next_due_at$
-- When the next action of a lane that waits for a moment becomes due.
SELECT min(due_at) FROM (
    SELECT min(due_at) AS due_at FROM actions
    WHERE phase = 'queued' AND lane = :lane AND (parent IS NULL) = 0 AND due_at > :now
    UNION ALL
    SELECT min(due_at) AS due_at FROM actions
    WHERE phase = 'queued' AND lane = :lane AND (parent IS NULL) = 1 AND due_at > :now
) AS candidates;

-- name: has_open_children$
-- Whether an action has children that have not ended.
SELECT 1 FROM actions
WHERE run_id = :run_id AND parent = :name
AND phase IN ('queued', 'waiting_for_resources', 'initializing', 'running', 'paused')
LIMIT 1;

-- name: open_tree
-- An action and all that it called, directly or not, as far as they have not ended and are not being aborted.
WITH RECURSIVE tree (name) AS (
    SELECT :name
    UNION ALL
    SELECT c.name FROM actions AS c JOIN tree AS t ON c.parent = t.name WHERE c.run_id = :run_id
)
SELECT a.* FROM tree AS t JOIN actions AS a ON a.run_id = :run_id AND a.name = t.name
WHERE a.phase IN ('queued', 'waiting_for_resources', 'initializing', 'running', 'paused')
AND a.aborting IS NULL;

-- name: live
-- Actions with an attempt that has, or should have, a process.
SELECT * FROM actions WHERE phase IN ('initializing', 'running');

-- name: forsaken_parents
-- Actions that have ended although children of theirs have not, and nobody aborts those yet.
SELECT DISTINCT p.run_id, p.name
FROM actions AS c JOIN actions AS p ON p.run_id = c.run_id AND p.name = c.parent
WHERE c.phase IN ('queued', 'waiting_for_resources', 'initializing', 'running', 'paused')
AND c.aborting IS NULL
AND p.phase IN ('succeeded', 'failed', 'aborted', 'timed_out', 'recovered');

-- name: over_limit
-- Actions whose next time limit is hit.
SELECT * FROM actions WHERE limit_at IS NOT NULL AND limit_at <= :now ORDER BY limit_at;

-- name: limited
-- Actions that have a time limit now.
SELECT * FROM actions WHERE limit_at IS NOT NULL;

-- name: next_limit_at$
-- When the next time limit is hit.
SELECT min(limit_at) FROM actions WHERE limit_at IS NOT NULL;

-- name: insert_attempts*!
-- New attempts.
INSERT INTO attempts VALUES (
    :run_id, :action, :number, :token, :phase, :worker, :pid, :queued_at, :claimed_at, :started_at,
    :ended_at, :failure, :output_uri, :devices, :usage
);

-- name: update_attempts*!
-- Known attempts, by their tokens; what a report does not know (NULL or empty) stays as it is.
UPDATE attempts SET
    phase = :phase,
    worker = CASE WHEN :worker = '' THEN worker ELSE :worker END,
    pid = coalesce(:pid, pid),
    started_at = coalesce(started_at, :started_at),
    ended_at = coalesce(:ended_at, ended_at),
    failure = coalesce(:failure, failure),
    usage = coalesce(:usage, usage)
WHERE run_id = :run_id AND action = :action AND number = :number AND token = :token;

-- name: attempts
-- Attempts of one action, the first one first.
SELECT * FROM attempts WHERE run_id = :run_id AND action = :name ORDER BY number;
