-- name: insert!
-- A new key.
INSERT INTO api_keys (client_id, name, secret_hash, role, project, created_at, created_by, expires_at)
VALUES (:client_id, :name, :secret_hash, :role, :project, :created_at, :created_by, :expires_at);

-- name: load^
-- A key by its client id, be it revoked.
SELECT client_id, name, secret_hash, role, project, created_at, created_by, expires_at, revoked_at FROM api_keys
WHERE client_id = :client_id;

-- name: named^
-- The key of a name that was not revoked.
SELECT client_id, name, secret_hash, role, project, created_at, created_by, expires_at, revoked_at FROM api_keys
WHERE name = :name AND revoked_at IS NULL;

-- name: listing
-- Keys that were not revoked, by name.
SELECT client_id, name, secret_hash, role, project, created_at, created_by, expires_at, revoked_at FROM api_keys
WHERE revoked_at IS NULL AND name > :after ORDER BY name LIMIT :limit;

-- name: revoke!
-- A key no longer.
UPDATE api_keys SET revoked_at = :revoked_at, revoked_by = :revoked_by WHERE name = :name AND revoked_at IS NULL;

-- name: usable$
-- How many keys there are with which somebody can come in.
SELECT count(*) FROM api_keys WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > :now);
