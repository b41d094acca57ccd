-- name: save!
-- A project, new or changed.
INSERT INTO projects (id, name, description, state, labels, created_at)
VALUES (:id, :name, :description, :state, :labels, :created_at)
ON CONFLICT (id) DO UPDATE SET
    name = excluded.name, description = excluded.description, state = excluded.state, labels = excluded.labels;

-- name: load^
-- One project.
SELECT id, name, description, state, labels, created_at FROM projects WHERE id = :id;

-- name: listing
-- Projects; the conditions and the order come from store/filters.py.
SELECT p.id, p.name, p.description, p.state, p.labels, p.created_at FROM projects AS p
WHERE {conditions}
ORDER BY {order}
LIMIT :limit OFFSET :offset;
