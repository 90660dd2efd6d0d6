-- What upstreams offered when they were last asked, and the names it is served under.

CREATE TABLE lists (
  upstream TEXT NOT NULL,
  era TEXT NOT NULL,
  kind TEXT NOT NULL,
  target TEXT NOT NULL,
  refreshed INTEGER NOT NULL,
  stale_since INTEGER,
  items TEXT NOT NULL,
  PRIMARY KEY (upstream, era, kind)
) STRICT;

-- number: the order in which they were given.
CREATE TABLE names (
  number INTEGER PRIMARY KEY,
  kind TEXT NOT NULL,
  upstream TEXT NOT NULL,
  original TEXT NOT NULL,
  public TEXT NOT NULL,
  rules TEXT NOT NULL,
  UNIQUE (kind, upstream, original)
) STRICT;
