-- name: save!
-- A secret, new or with a new value.
INSERT INTO secrets (project, domain, name, kind, sealed, created_at, updated_at)
VALUES (:project, :domain, :name, :kind, :sealed, :created_at, :updated_at)
ON CONFLICT (project, domain, name)
DO UPDATE SET kind = excluded.kind, sealed = excluded.sealed, updated_at = excluded.updated_at;

-- name: load^
-- The secret of a name in exactly this scope.
SELECT name, project, domain, kind, sealed, created_at, updated_at FROM secrets
WHERE project = :project AND domain = :domain AND name = :name;

-- name: delete!
-- A secret no longer.
DELETE FROM secrets WHERE project = :project AND domain = :domain AND name = :name;

-- name: listing
-- Secrets that hold in a scope, by name; an empty project or domain asks for all.
SELECT name, project, domain, kind, sealed, created_at, updated_at FROM secrets
WHERE (:project = '' OR project IN ('', :project)) AND (:domain = '' OR domain IN ('', :domain))
ORDER BY name, project, domain LIMIT :limit OFFSET :offset;

-- name: nearest^
-- The secret of a name that an action of this project and domain gets: the one of the narrowest scope.
SELECT name, project, domain, kind, sealed, created_at, updated_at FROM secrets
WHERE name = :name AND project IN ('', :project) AND domain IN ('', :domain)
ORDER BY project = '', domain = '' LIMIT 1;

-- name: sealed_otherwise
-- Secrets that another key than this one has sealed (bytes 2 to 5 of a sealed value name its key), a batch of them.
SELECT name, project, domain, kind, sealed, created_at, updated_at FROM secrets
WHERE substr(sealed, 2, 4) <> :key_id AND (project, domain, name) > (:project, :domain, :name)
ORDER BY project, domain, name LIMIT :limit;

-- name: reseal!
-- The same value under another key, unless it was changed meanwhile.
UPDATE secrets SET sealed = :sealed
WHERE project = :project AND domain = :domain AND name = :name AND sealed = :before;

-- name: count_by_key
-- How many secrets each key has sealed.
SELECT substr(sealed, 2, 4), count(*) FROM secrets GROUP BY 1;
