-- Labels of a project, a JSON object, and when it was made (0: before this was recorded).
ALTER TABLE projects ADD COLUMN labels TEXT NOT NULL DEFAULT '{}';
ALTER TABLE projects ADD COLUMN created_at INTEGER NOT NULL DEFAULT 0;

-- Settings that were made for the organisation (both empty), a domain, or a project in a domain.
CREATE TABLE settings (
    domain TEXT NOT NULL,
    project TEXT NOT NULL,
    body TEXT NOT NULL,
    version INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    changed_by TEXT NOT NULL,
    PRIMARY KEY (domain, project)
);
