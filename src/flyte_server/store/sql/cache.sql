-- name: load^
-- The entry of a project and domain.
SELECT project, domain, source, output_uri, created_at FROM cache
WHERE project = :project AND domain = :domain AND key = :key;

-- name: load_anywhere^
-- The entry of any project: one that is young enough, rather its own, rather a younger one.
SELECT project, domain, source, output_uri, created_at FROM cache
WHERE key = :key
ORDER BY created_at >= :not_before DESC, project = :project AND domain = :domain DESC, created_at DESC
LIMIT 1;

-- name: add!
-- A new entry; one that exists stays.
INSERT INTO cache VALUES (:project, :domain, :key, :source, :output_uri, :created_at, :task_name)
ON CONFLICT (project, domain, key) DO NOTHING;

-- name: replace!
-- An entry, whether or not it exists.
INSERT INTO cache VALUES (:project, :domain, :key, :source, :output_uri, :created_at, :task_name)
ON CONFLICT (project, domain, key) DO UPDATE SET
    source = excluded.source, output_uri = excluded.output_uri, created_at = excluded.created_at,
    task_name = excluded.task_name;

-- name: of_task
-- The last entries of a task that were there at a moment.
SELECT project, domain, source, output_uri, created_at FROM cache
WHERE project = :project AND domain = :domain AND task_name = :task_name AND created_at <= :until
ORDER BY created_at DESC
LIMIT :limit;
