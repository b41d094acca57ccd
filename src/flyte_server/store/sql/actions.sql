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
    :serial_key, :queue, :recovered_from, :lane, :slept_us, :ending_since, :answer
);

-- name: update*!
-- Everything that can change in an action, only if it still has the version from which the change was made.
UPDATE actions SET
    phase = :phase, output_uri = :output_uri, cache_status = :cache_status, cache_source = :cache_source,
    attempt = :attempt, token = :token, user_failures = :user_failures, system_failures = :system_failures, due_at = :due_at,
    queued_at = :queued_at, started_at = :started_at, attempt_started_at = :attempt_started_at,
    limit_at = :limit_at, ended_at = :ended_at, aborting = :aborting, stopping = :stopping,
    failure = :failure, version = :version, seq = :seq, slept_us = :slept_us,
    ending_since = :ending_since, answer = :answer
WHERE run_id = :run_id AND name = :name AND version = :expected;

-- name: children_since
-- Children of one action that changed after a cursor, in the order of their last changes.
SELECT * FROM actions WHERE run_id = :run_id AND parent = :parent AND seq > :seq ORDER BY seq;

-- name: ended_children_since
-- Children of one action that ended after a cursor, in that order.
SELECT * FROM actions
WHERE run_id = :run_id AND parent = :parent AND seq > :seq
AND phase IN ('succeeded', 'failed', 'aborted', 'timed_out', 'recovered')
ORDER BY seq;

-- name: last_change_of_children$
-- The last change of any child of one action after a cursor; the cursor itself if there is none.
SELECT coalesce(max(seq), :seq) FROM actions WHERE run_id = :run_id AND parent = :parent AND seq > :seq;

-- name: run_since
-- Actions of a run that changed after a cursor, in the order of their last changes.
SELECT * FROM actions WHERE run_id = :run_id AND seq > :seq ORDER BY seq;

-- name: conditions
-- The conditions of a run, in the order in which they were asked.
SELECT * FROM actions WHERE run_id = :run_id AND kind = 'condition' ORDER BY created_at, seq;

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
-- Who holds what: attempts that are alive, by what limits are about, by lane, and whether they wait for children.
SELECT a.run_id, a.environment, a.queue, a.lane, EXISTS (
    SELECT 1 FROM actions AS c
    WHERE c.run_id = a.run_id AND c.parent = a.name
    AND c.phase IN ('queued', 'waiting_for_resources', 'initializing', 'running', 'paused')
) AS waits, count(*) FROM actions AS a
WHERE a.phase IN ('initializing', 'running')
GROUP BY a.run_id, a.environment, a.queue, a.lane, waits;

-- name: holders
-- The attempts that are alive, the oldest first, with the names of their runs and their devices.
SELECT r.project, r.domain, r.name, a.name, a.task_name, a.run_id, a.environment, a.queue, a.lane, EXISTS (
    SELECT 1 FROM actions AS c
    WHERE c.run_id = a.run_id AND c.parent = a.name
    AND c.phase IN ('queued', 'waiting_for_resources', 'initializing', 'running', 'paused')
), t.devices
FROM actions AS a JOIN runs AS r ON r.id = a.run_id
LEFT JOIN attempts AS t ON t.run_id = a.run_id AND t.action = a.name AND t.number = a.attempt
WHERE a.phase IN ('initializing', 'running')
ORDER BY a.queued_at;

-- name: given_devices
-- The accelerators of attempts that are alive.
SELECT t.devices FROM actions AS a
JOIN attempts AS t ON t.run_id = a.run_id AND t.action = a.name AND t.number = a.attempt
WHERE a.phase IN ('initializing', 'running') AND t.devices <> '';

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

-- name: lines
-- The lines of a lane: its roots in line 0, the children of each run in the line of its number; with the first in each.
WITH RECURSIVE lines (line) AS (
    SELECT min(CASE WHEN parent IS NULL THEN 0 ELSE run_id END) FROM actions WHERE phase = 'queued' AND lane = :lane
    UNION ALL
    SELECT (
        SELECT min(CASE WHEN a.parent IS NULL THEN 0 ELSE a.run_id END) FROM actions AS a
        WHERE a.phase = 'queued' AND a.lane = :lane AND (CASE WHEN a.parent IS NULL THEN 0 ELSE a.run_id END) > lines.line
    )
    FROM lines WHERE lines.line IS NOT NULL
)
SELECT lines.line, (
    SELECT a.due_at FROM actions AS a
    WHERE a.phase = 'queued' AND a.lane = :lane AND (CASE WHEN a.parent IS NULL THEN 0 ELSE a.run_id END) = lines.line
    ORDER BY a.due_at LIMIT 1
), (
    SELECT a.seq FROM actions AS a
    WHERE a.phase = 'queued' AND a.lane = :lane AND (CASE WHEN a.parent IS NULL THEN 0 ELSE a.run_id END) = lines.line
    ORDER BY a.due_at, a.seq LIMIT 1
)
FROM lines WHERE lines.line IS NOT NULL;

-- name: ahead$
-- How many actions of a line start before one that is queued in it.
SELECT count(*) FROM actions
WHERE phase = 'queued' AND lane = :lane AND (CASE WHEN parent IS NULL THEN 0 ELSE run_id END) = :line
AND (due_at, seq) < (:due_at, :seq);

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
-- The next actions of a line to start, the oldest first.
SELECT * FROM actions
WHERE phase = 'queued' AND lane = :lane AND (CASE WHEN parent IS NULL THEN 0 ELSE run_id END) = :line AND due_at <= :now
ORDER BY due_at, seq LIMIT :limit OFFSET :offset;

-- name: next_due_at$
-- When the next action of a line that waits for a moment becomes due.
SELECT min(due_at) FROM actions
WHERE phase = 'queued' AND lane = :lane AND (CASE WHEN parent IS NULL THEN 0 ELSE run_id END) = :line AND due_at > :now;

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
