-- name: save!
-- A deployed task; a version that exists stays.
INSERT INTO tasks VALUES (
    :project, :domain, :name, :version, :spec_digest, :short_name, :environment, :deployed_at,
    :deployed_by, :is_entrypoint, :description
)
ON CONFLICT (project, domain, name, version) DO NOTHING;

-- name: load^
-- One version of a task.
SELECT * FROM tasks
WHERE project = :project AND domain = :domain AND name = :name AND version = :version;

-- name: listing
-- Versions of tasks; the conditions and the order come from store/filters.py.
SELECT t.* FROM tasks AS t
WHERE {conditions}
ORDER BY {order}
LIMIT :limit OFFSET :offset;

-- name: latest
-- The last deployed version of each task.
SELECT t.* FROM tasks AS t
WHERE NOT EXISTS (
    SELECT 1 FROM tasks AS later
    WHERE later.project = t.project AND later.domain = t.domain AND later.name = t.name
    AND (later.deployed_at, later.version) > (t.deployed_at, t.version)
)
AND {conditions}
ORDER BY {order}
LIMIT :limit OFFSET :offset;
