-- name: save!
-- A project, new or changed.
INSERT INTO projects VALUES (:id, :name, :description, :state)
ON CONFLICT (id) DO UPDATE SET
    name = excluded.name, description = excluded.description, state = excluded.state;

-- name: load^
-- One project.
SELECT * FROM projects WHERE id = :id;

-- name: listing
-- Projects; the conditions and the order come from store/filters.py.
SELECT p.* FROM projects AS p
WHERE {conditions}
ORDER BY {order}
LIMIT :limit OFFSET :offset;
