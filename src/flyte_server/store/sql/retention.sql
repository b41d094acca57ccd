-- name: unmeasured
-- Ended runs whose files nobody has measured yet.
SELECT r.id, r.project, r.domain, r.name, a.ended_at, r.bytes, r.log_bytes, 0
FROM runs AS r CROSS JOIN actions AS a ON a.run_id = r.id AND a.name = 'a0'
WHERE r.bytes IS NULL AND r.project <> '' AND a.ended_at IS NOT NULL
ORDER BY r.id LIMIT :limit;

-- name: unended
-- Runs that go on.
SELECT DISTINCT r.id, r.project, r.domain, r.name, NULL, r.bytes, r.log_bytes, 0
FROM actions AS a JOIN runs AS r ON r.id = a.run_id
WHERE a.phase IN ('queued', 'waiting_for_resources', 'initializing', 'running', 'paused');

-- name: measured!
-- What the files of a run occupy.
UPDATE runs SET bytes = :bytes, log_bytes = :log_bytes WHERE id = :id;

-- name: removable
-- Ended runs of which no other run has results, those without cache entries first, then the oldest first.  The order
-- of the joins is the one written: an index leads to the few rows that matter, and the planner does not know them.
SELECT id, project, domain, name, ended_at, bytes, log_bytes, cached FROM (
    SELECT
        r.*, a.ended_at,
        EXISTS (
            SELECT 1 FROM cache AS e
            WHERE e.project = r.project AND e.domain = r.domain
            AND e.source >= r.name || '/' AND e.source < r.name || '0'
        ) AS cached
    FROM runs AS r CROSS JOIN actions AS a ON a.run_id = r.id AND a.name = 'a0'
    WHERE r.project <> '' AND a.ended_at <= :ended_by AND r.id BETWEEN :first AND :last
) AS r
WHERE NOT EXISTS (
    SELECT 1 FROM actions AS o
    WHERE o.run_id = r.id
    AND o.phase IN ('queued', 'waiting_for_resources', 'initializing', 'running', 'paused')
)
AND NOT EXISTS (
    SELECT 1 FROM runs AS u WHERE json_extract(u.recovery, '$.run_id') = +r.id AND u.project <> ''
)
AND NOT EXISTS (
    SELECT 1 FROM actions AS h CROSS JOIN runs AS u ON u.id = h.run_id
    WHERE h.cache_status = 'hit' AND h.cache_source >= r.name || '/' AND h.cache_source < r.name || '0'
    AND u.id <> r.id AND u.project = r.project AND u.domain = r.domain
)
AND NOT EXISTS (
    SELECT 1 FROM actions AS h CROSS JOIN runs AS u ON u.id = h.run_id
    WHERE h.cache_status = 'hit'
    AND h.cache_source >= r.project || '/' || r.domain || '/' || r.name || '/'
    AND h.cache_source < r.project || '/' || r.domain || '/' || r.name || '0'
    AND u.id <> r.id AND u.project <> ''
)
AND NOT EXISTS (
    SELECT 1 FROM actions AS h CROSS JOIN runs AS u ON u.id = h.run_id
    WHERE h.recovered_from >= r.name || '/' AND h.recovered_from < r.name || '0'
    AND u.id <> r.id AND u.project = r.project AND u.domain = r.domain
)
AND NOT EXISTS (
    SELECT 1 FROM actions AS h CROSS JOIN runs AS u ON u.id = h.run_id
    WHERE h.recovered_from >= r.project || '/' || r.domain || '/' || r.name || '/'
    AND h.recovered_from < r.project || '/' || r.domain || '/' || r.name || '0'
    AND u.id <> r.id AND u.project <> ''
)
ORDER BY cached, ended_at, id LIMIT :limit;

-- name: newest_run$
-- The largest number of a run.
SELECT coalesce(max(id), 0) FROM runs;

-- name: drop_entries!
-- Some cache entries of a run.
DELETE FROM cache WHERE (project, domain, key) IN (
    SELECT project, domain, key FROM cache
    WHERE project = :project AND domain = :domain AND source >= :name || '/' AND source < :name || '0'
    LIMIT :limit
);

-- name: set_aside!
-- Take a run's name away: nobody finds it any more, and its rows go bit by bit.  Its number is never given again.
UPDATE runs SET project = '', domain = '', name = 'removed-' || id WHERE id = :id;

-- name: aside
-- Runs that were set aside and still have rows.
SELECT id FROM runs WHERE project = '';

-- name: drop_actions!
-- Some actions of a run, children before their parents; their attempts go with them.
DELETE FROM actions WHERE run_id = :id AND name IN (
    SELECT a.name FROM actions AS a
    WHERE a.run_id = :id
    AND NOT EXISTS (SELECT 1 FROM actions AS c WHERE c.run_id = a.run_id AND c.parent = a.name)
    LIMIT :limit
);

-- name: drop_run!
-- A run that was set aside and has no actions any more.
DELETE FROM runs WHERE id = :id AND project = '';

-- name: named$
-- Whether there is a run of a name, by its number.
SELECT id FROM runs WHERE project = :project AND domain = :domain AND name = :name;

-- name: place^
-- Where the files of a run are, by its number.
SELECT project, domain, name FROM runs WHERE id = :id AND project <> '';

-- name: inputs
-- The inputs of all runs that are kept.
SELECT r.id, a.input_uri FROM runs AS r CROSS JOIN actions AS a ON a.run_id = r.id AND a.name = 'a0'
WHERE r.project <> '' AND r.id > :above;

-- name: specs
-- The specifications that are stored, by the part of their digests.
SELECT digest, body FROM specs WHERE digest > :above ORDER BY digest LIMIT :limit;

-- name: unused_specs
-- Specifications that neither an action nor a deployed task has.
SELECT digest FROM specs AS s
WHERE NOT EXISTS (SELECT 1 FROM actions AS a WHERE a.spec_digest = s.digest)
AND NOT EXISTS (SELECT 1 FROM tasks AS t WHERE t.spec_digest = s.digest)
LIMIT :limit;

-- name: drop_spec!
-- A specification, if nothing has it.
DELETE FROM specs WHERE digest = :digest
AND NOT EXISTS (SELECT 1 FROM actions AS a WHERE a.spec_digest = :digest)
AND NOT EXISTS (SELECT 1 FROM tasks AS t WHERE t.spec_digest = :digest);

-- name: totals^
-- How many runs there are, what their files occupy, and what those of them occupy whose results the cache has.
SELECT
    count(*), coalesce(sum(bytes), 0), coalesce(sum(log_bytes), 0),
    coalesce(sum(
        CASE WHEN EXISTS (
            SELECT 1 FROM cache AS e
            WHERE e.project = r.project AND e.domain = r.domain
            AND e.source >= r.name || '/' AND e.source < r.name || '0'
        ) THEN bytes ELSE 0 END
    ), 0)
FROM runs AS r WHERE project <> '';

-- name: largest
-- The runs that occupy most.
SELECT r.id, r.project, r.domain, r.name, a.ended_at, r.bytes, r.log_bytes, 0
FROM runs AS r CROSS JOIN actions AS a ON a.run_id = r.id AND a.name = 'a0'
WHERE r.project <> '' AND r.bytes IS NOT NULL
ORDER BY r.bytes + r.log_bytes DESC LIMIT :limit;

-- name: projects
-- The projects that there are.
SELECT id FROM projects;

-- name: latest_moment$
-- The latest moment at which anything was taken in.
SELECT max(
    coalesce((SELECT max(created_at) FROM runs), 0),
    coalesce((SELECT max(queued_at) FROM actions WHERE phase = 'queued'), 0)
);

-- name: mark$
-- A number that is kept under a name.
SELECT value FROM marks WHERE name = :name;

-- name: set_mark!
-- Keep a number under a name.
INSERT INTO marks VALUES (:name, :value) ON CONFLICT (name) DO UPDATE SET value = excluded.value;
