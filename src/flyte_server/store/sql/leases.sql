-- name: renew*!
-- One more sign of life of each worker; whoever renews holds the lease from now on.
INSERT INTO leases (worker, plane, beats, seconds, renewed_at) VALUES (:worker, :plane, 1, :seconds, :now)
ON CONFLICT (worker) DO UPDATE SET
    plane = excluded.plane, beats = leases.beats + 1, seconds = excluded.seconds, renewed_at = excluded.renewed_at;

-- name: all
-- Every lease.
SELECT worker, plane, beats, seconds, renewed_at FROM leases;

-- name: holders
-- Attempts that have, or should have, a process, and the worker that has it.
SELECT a.run_id, a.name, a.attempt, a.token, t.worker
FROM actions AS a JOIN attempts AS t ON t.run_id = a.run_id AND t.action = a.name AND t.number = a.attempt
WHERE a.phase IN ('initializing', 'running');

-- name: drop*!
-- Take a lease away, unless it was renewed since it was read.
DELETE FROM leases WHERE worker = :worker AND beats = :beats;
