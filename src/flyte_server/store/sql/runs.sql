-- name: insert$
-- A new run; gives its id.
INSERT INTO runs (project, domain, name, spec, labels, source, created_at, seq, max_concurrency, recovery)
VALUES (:project, :domain, :name, :spec, :labels, :source, :created_at, :seq, :max_concurrency, :recovery)
RETURNING id;

-- name: load^
-- One run by its name.
SELECT * FROM runs WHERE project = :project AND domain = :domain AND name = :name;

-- name: by_id^
-- One run by its id.
SELECT * FROM runs WHERE id = :id;

-- name: advance$
-- Count changes in a run; gives the counter afterwards.
UPDATE runs SET seq = seq + :changes WHERE id = :id RETURNING seq;

-- name: listing
-- Runs with their root actions; the conditions and the order come from store/filters.py.
SELECT r.*, a.*
FROM runs AS r JOIN actions AS a ON a.run_id = r.id AND a.parent IS NULL
WHERE {conditions}
ORDER BY {order}
LIMIT :limit OFFSET :offset;
