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
SELECT DISTINCT lane, environment, queue FROM actions
WHERE phase IN ('queued', 'waiting_for_resources', 'initializing', 'running', 'paused')
AND CASE :kind WHEN 'environment' THEN environment ELSE queue END = :name;

-- name: assign*!
-- Put what has not ended of a lane, environment and queue into another lane.
UPDATE actions SET lane = :lane
WHERE lane = :old AND environment = :environment AND queue = :queue
AND phase IN ('queued', 'waiting_for_resources', 'initializing', 'running', 'paused');
