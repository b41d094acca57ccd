-- name: insert$
-- One more entry; gives its number.
INSERT INTO audit (at, subject, name, kind, method, project, target, outcome, address)
VALUES (:at, :subject, :name, :kind, :method, :project, :target, :outcome, :address)
RETURNING id;

-- name: settle!
-- How a call has ended.
UPDATE audit SET outcome = :outcome WHERE id = :number;

-- name: listing
-- Entries, the newest first; empty words ask for all.
SELECT id, at, subject, name, kind, method, project, target, outcome, address FROM audit
WHERE (:who = '' OR subject = :who OR name = :who)
AND (:project = '' OR project = :project)
AND at >= :since AND (:before = 0 OR id < :before)
ORDER BY id DESC LIMIT :limit;

-- name: prune!
-- Forget what is too old, and the oldest of what is too much.
DELETE FROM audit WHERE at < :oldest OR id <= (SELECT max(id) FROM audit) - :most;
