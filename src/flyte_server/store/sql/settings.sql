-- name: load^
-- The settings that were made for exactly this scope.
SELECT domain, project, body, version FROM settings WHERE domain = :domain AND project = :project;

-- name: levels
-- The settings of a scope and of all above it, the widest first.
SELECT domain, project, body, version FROM settings
WHERE (domain = '' AND project = '') OR (domain = :domain AND project IN ('', :project))
ORDER BY domain <> '', project <> '';

-- name: insert!
-- Settings of a scope that has none.
INSERT INTO settings (domain, project, body, version, changed_at, changed_by)
VALUES (:domain, :project, :body, 1, :changed_at, :changed_by)
ON CONFLICT (domain, project) DO NOTHING;

-- name: update!
-- Other settings for a scope, if they still are what the caller has seen.
UPDATE settings
SET body = :body, version = version + 1, changed_at = :changed_at, changed_by = :changed_by
WHERE domain = :domain AND project = :project AND version = :version;
