-- name: listing
-- All limits.
SELECT kind, name, most FROM limits ORDER BY kind, name;

-- name: save!
-- A limit, new or changed.
INSERT INTO limits VALUES (:kind, :name, :most) ON CONFLICT (kind, name) DO UPDATE SET most = excluded.most;

-- name: delete!
-- A limit no longer.
DELETE FROM limits WHERE kind = :kind AND name = :name;

-- name: concerned
-- What has not ended of an environment or a queue, by everything that makes its lane.
SELECT DISTINCT a.run_id, r.max_concurrency, a.environment, a.queue, a.parent IS NULL
FROM actions AS a JOIN runs AS r ON r.id = a.run_id
WHERE a.phase IN ('queued', 'waiting_for_resources', 'initializing', 'running', 'paused')
AND CASE :kind WHEN 'environment' THEN a.environment ELSE a.queue END = :name;

-- name: assign*!
-- Put what has not ended of a run, environment and queue into a lane.
UPDATE actions SET lane = :lane
WHERE run_id = :run_id AND environment = :environment AND queue = :queue AND (parent IS NULL) = :is_root
AND phase IN ('queued', 'waiting_for_resources', 'initializing', 'running', 'paused');
