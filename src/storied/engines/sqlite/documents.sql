-- name: schema
-- Read models: a table for each edition of each view, named `view_<name>_<number>`, and one row here, which moves in the
-- same transaction as the documents. `definition` tells the editions of a view apart; readers are given the live one.
CREATE TABLE IF NOT EXISTS edition (
    number     INTEGER PRIMARY KEY,
    view       TEXT    NOT NULL,
    definition TEXT    NOT NULL,
    live       INTEGER NOT NULL,
    position   INTEGER NOT NULL,
    log        TEXT    NOT NULL,
    digest     BLOB    NOT NULL,
    freed      INTEGER NOT NULL,
    error      TEXT,
    updated_at INTEGER NOT NULL,
    UNIQUE (view, definition)
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS live_edition ON edition (view) WHERE live;
-- A key whose document stopped at an event, until a retry succeeds.
CREATE TABLE IF NOT EXISTS parked (
    edition  INTEGER NOT NULL,
    key      TEXT    NOT NULL,
    position INTEGER NOT NULL,
    type     TEXT    NOT NULL,
    error    TEXT    NOT NULL,
    trace    TEXT    NOT NULL,
    PRIMARY KEY (edition, key)
) STRICT, WITHOUT ROWID;
-- Folded entities of long streams: a cache, of the fold whose fingerprint it carries.
CREATE TABLE IF NOT EXISTS snapshot (
    entity      TEXT    NOT NULL,
    id          TEXT    NOT NULL,
    fingerprint TEXT    NOT NULL,
    log         TEXT    NOT NULL,
    state       BLOB    NOT NULL,
    position    INTEGER NOT NULL,
    digest      BLOB    NOT NULL,
    PRIMARY KEY (entity, id)
) STRICT;
-- The last signs of life of those who keep views up to date.
CREATE TABLE IF NOT EXISTS heartbeat (
    view      TEXT    NOT NULL,
    worker    TEXT    NOT NULL,
    life      TEXT    NOT NULL,
    position  INTEGER NOT NULL,
    head      INTEGER NOT NULL,
    lag       INTEGER NOT NULL,
    beaten_at INTEGER NOT NULL,
    PRIMARY KEY (view, worker)
) STRICT, WITHOUT ROWID;

-- name: get_snapshot
SELECT state, position, digest FROM snapshot WHERE entity = ? AND id = ? AND fingerprint = ? AND log = ?;

-- name: put_snapshot
INSERT OR REPLACE INTO snapshot (entity, id, fingerprint, log, state, position, digest) VALUES (?, ?, ?, ?, ?, ?, ?);

-- name: live_edition
SELECT number, definition, position, EXISTS (SELECT 1 FROM parked AS p WHERE p.edition = number)
FROM edition WHERE view = ? AND live;

-- name: glance_at_edition
SELECT
    number, position, log, EXISTS (SELECT 1 FROM parked AS p WHERE p.edition = number), definition, freed, digest, updated_at
FROM edition WHERE view = ? AND live;

-- name: glance_at_parked
SELECT position FROM parked WHERE edition = ? AND key = ?;

-- name: own_edition
SELECT number, live, position, log, digest, freed FROM edition WHERE view = ? AND definition = ?;

-- name: list_editions
SELECT e.view, e.definition, e.live, e.position, e.log, e.digest, e.freed,
       (SELECT count(*) FROM parked AS p WHERE p.edition = e.number), e.error, e.updated_at
FROM edition AS e ORDER BY e.view, e.live DESC, e.number;

-- name: new_edition
-- The first edition of a view is live at once.
INSERT INTO edition (view, definition, live, position, log, digest, freed, updated_at)
VALUES (?1, ?2, NOT EXISTS (SELECT 1 FROM edition WHERE view = ?1), 0, '', x'', 0, ?3);

-- name: move_edition
UPDATE edition SET position = ?2, log = ?3, digest = ?4, freed = ?5, updated_at = ?6, error = NULL WHERE number = ?1;

-- name: other_editions
SELECT number FROM edition WHERE view = ? AND number <> ?;

-- name: drop_edition
DELETE FROM edition WHERE number = ?;

-- name: promote_edition
UPDATE edition SET live = 1, definition = ?2 WHERE number = ?1;

-- name: report
UPDATE edition SET error = ?2 WHERE number = ?1;

-- name: park
INSERT INTO parked (edition, key, position, type, error, trace) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (edition, key) DO UPDATE
SET position = excluded.position, type = excluded.type, error = excluded.error, trace = excluded.trace;

-- name: free
DELETE FROM parked WHERE edition = ? AND key = ?;

-- name: free_all
DELETE FROM parked WHERE edition = ?;

-- name: list_parked
SELECT key, position, type, error, trace FROM parked WHERE edition = ?1 AND (?2 IS NULL OR key = ?2)
ORDER BY position, key;

-- name: forget_worker
DELETE FROM heartbeat WHERE worker = ?1 OR beaten_at < ?2;

-- name: put_heartbeat
INSERT INTO heartbeat (view, worker, life, position, head, lag, beaten_at) VALUES (?, ?, ?, ?, ?, ?, ?);

-- name: list_heartbeats
SELECT view, worker, life, position, head, lag, beaten_at FROM heartbeat ORDER BY view, beaten_at DESC, worker;
