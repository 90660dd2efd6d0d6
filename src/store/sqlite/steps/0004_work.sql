-- Agents that shall run, and the tasks given to them. result and history are JSON text.

CREATE TABLE agents (
  id TEXT PRIMARY KEY,
  kind TEXT NOT NULL,
  principal TEXT NOT NULL,
  created INTEGER NOT NULL
) STRICT;

-- ended: when it ended; null while it waits or runs.
CREATE TABLE tasks (
  id TEXT PRIMARY KEY,
  principal TEXT NOT NULL,
  kind TEXT NOT NULL,
  task TEXT NOT NULL,
  tool TEXT NOT NULL,
  arguments TEXT NOT NULL,
  state TEXT NOT NULL,
  attempts INTEGER NOT NULL,
  repeatable INTEGER NOT NULL,
  created INTEGER NOT NULL,
  changed INTEGER NOT NULL,
  ended INTEGER,
  result TEXT,
  history TEXT NOT NULL
) STRICT;
CREATE INDEX tasks_ended ON tasks (ended) WHERE ended IS NOT NULL;
