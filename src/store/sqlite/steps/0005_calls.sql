-- Tasks that are calls of upstreams' tools stand beside those given to agents.

ALTER TABLE tasks ADD COLUMN runner TEXT NOT NULL DEFAULT 'agent';
