-- Who deployed a task, and what listings say and ask of it.
ALTER TABLE tasks ADD COLUMN deployed_by TEXT NOT NULL DEFAULT '';
ALTER TABLE tasks ADD COLUMN is_entrypoint INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tasks ADD COLUMN description TEXT NOT NULL DEFAULT '';
