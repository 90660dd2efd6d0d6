-- Streams to clients, the events on them that were not provably read, and calls in flight.

CREATE TABLE streams (
  session TEXT NOT NULL,
  stream INTEGER NOT NULL,
  request TEXT,
  last INTEGER NOT NULL,
  acknowledged INTEGER NOT NULL,
  closed INTEGER,
  PRIMARY KEY (session, stream)
) STRICT, WITHOUT ROWID;
CREATE INDEX streams_closed ON streams (closed) WHERE closed IS NOT NULL;

-- number: the order in which they came, over all streams. Pruned from the oldest on.
CREATE TABLE events (
  number INTEGER PRIMARY KEY,
  session TEXT NOT NULL,
  stream INTEGER NOT NULL,
  event INTEGER NOT NULL,
  at INTEGER NOT NULL,
  json BLOB NOT NULL
) STRICT;
CREATE INDEX events_by_stream ON events (session, stream, event);

CREATE TABLE calls (
  session TEXT NOT NULL,
  request TEXT NOT NULL,
  method TEXT NOT NULL,
  stream INTEGER,
  started INTEGER NOT NULL,
  PRIMARY KEY (session, request)
) STRICT, WITHOUT ROWID;
