-- Times are milliseconds since 1970 in UTC; words are the labels of metrics.

-- Each start of the server.
CREATE TABLE lives (
  epoch INTEGER PRIMARY KEY,
  started INTEGER NOT NULL,
  last_alive INTEGER NOT NULL,
  stopped_cleanly INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Active while disconnected_at is null. epoch: the life that last had it.
CREATE TABLE sessions (
  id TEXT NOT NULL UNIQUE,
  principal TEXT NOT NULL,
  transport TEXT NOT NULL,
  revision TEXT NOT NULL,
  client_name TEXT,
  client_version TEXT,
  user_agent TEXT,
  address TEXT,
  capabilities TEXT NOT NULL,
  log_level TEXT,
  subscriptions TEXT NOT NULL,
  created INTEGER NOT NULL,
  last_activity INTEGER NOT NULL,
  initialized INTEGER NOT NULL,
  disconnected_at INTEGER,
  disconnect_reason TEXT,
  requests INTEGER NOT NULL,
  errors INTEGER NOT NULL,
  streams INTEGER NOT NULL,
  resume TEXT,
  epoch INTEGER NOT NULL
) STRICT;
CREATE INDEX sessions_by_creation ON sessions (created);
CREATE INDEX sessions_active ON sessions (created) WHERE disconnected_at IS NULL;
CREATE INDEX sessions_disconnected ON sessions (disconnected_at) WHERE disconnected_at IS NOT NULL;

-- Rows are only added, and pruned from the oldest on.
CREATE TABLE history (
  number INTEGER PRIMARY KEY,
  session TEXT NOT NULL,
  at INTEGER NOT NULL,
  what TEXT NOT NULL,
  status_before TEXT,
  status_after TEXT NOT NULL,
  reason TEXT,
  detail TEXT
) STRICT;
CREATE INDEX history_by_session ON history (session);
