-- name: insert$
-- A new run; gives its id, which no run had before, not even one that was removed.
INSERT INTO runs (id, project, domain, name, spec, labels, source, created_at, seq, max_concurrency, recovery,
    created_by, trigger)
VALUES (
    1 + max(
        coalesce((SELECT max(id) FROM runs), 0),
        coalesce((SELECT value FROM marks WHERE name = 'largest_run'), 0)
    ),
    :project, :domain, :name, :spec, :labels, :source, :created_at, :seq, :max_concurrency, :recovery,
    :created_by, :trigger
)
RETURNING id;

-- name: load^
-- One run by its name.
SELECT * FROM runs WHERE project = :project AND domain = :domain AND name = :name;

-- name: by_id^
-- One run by its id; one that is being removed is gone.
SELECT * FROM runs WHERE id = :id AND project <> '';

-- name: advance$
-- Count changes in a run; gives the counter afterwards.
UPDATE runs SET seq = seq + :changes WHERE id = :id RETURNING seq;

-- name: listing
-- Runs with their root actions, but not those that are being removed; the conditions and the order come from
-- store/filters.py.
SELECT r.*, a.*
FROM runs AS r JOIN actions AS a ON a.run_id = r.id AND a.parent IS NULL
WHERE r.project <> '' AND {conditions}
ORDER BY {order}
LIMIT :limit OFFSET :offset;
