-- name: load^
-- Where the outputs of an entry lie, and who made them.
SELECT source, output_uri FROM cache WHERE project = :project AND domain = :domain AND key = :key;

-- name: add!
-- A new entry; one that exists stays.
INSERT INTO cache VALUES (:project, :domain, :key, :source, :output_uri, :created_at)
ON CONFLICT (project, domain, key) DO NOTHING;

-- name: replace!
-- An entry, whether or not it exists.
INSERT INTO cache VALUES (:project, :domain, :key, :source, :output_uri, :created_at)
ON CONFLICT (project, domain, key) DO UPDATE SET
    source = excluded.source, output_uri = excluded.output_uri, created_at = excluded.created_at;
