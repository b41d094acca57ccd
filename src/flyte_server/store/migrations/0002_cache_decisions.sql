-- Equal actions of which one executes; the order of the columns is the order in store/rows.py.
ALTER TABLE actions ADD COLUMN serial_key TEXT;

-- For turns: who waits for an equal action, and who executes it.
CREATE INDEX actions_waiting ON actions (serial_key, created_at) WHERE phase = 'waiting_for_resources';
CREATE INDEX actions_serial ON actions (serial_key, phase) WHERE serial_key IS NOT NULL;

-- Whose results they are, for telling why another action of the task found none.
ALTER TABLE cache ADD COLUMN task_name TEXT NOT NULL DEFAULT '';

CREATE INDEX cache_by_task ON cache (project, domain, task_name, created_at);

-- For runs that take results of any project.
CREATE INDEX cache_by_key ON cache (key);
