-- name: schema
-- The log. `event` is the truth; `event_type` and `event_tag`, which add_mark renames, are its indexes; `append` remembers
-- what each append id stored. Positions are handed out by the writer, inside the transaction that inserts, so they follow commit order.
CREATE TABLE store (
    name  TEXT PRIMARY KEY,
    value ANY NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE event (
    position    INTEGER PRIMARY KEY,
    id          TEXT    NOT NULL,
    type        TEXT    NOT NULL,
    version     INTEGER NOT NULL,
    tags        TEXT    NOT NULL,
    data        TEXT    NOT NULL,
    metadata    TEXT    NOT NULL,
    recorded_at INTEGER NOT NULL,
    digest      BLOB    NOT NULL
) STRICT;
CREATE INDEX event_type ON event (type);
CREATE TABLE event_tag (
    tag      TEXT    NOT NULL,
    position INTEGER NOT NULL,
    type     TEXT    NOT NULL,
    PRIMARY KEY (tag, position)
) STRICT, WITHOUT ROWID;
CREATE TABLE append (
    id          TEXT    PRIMARY KEY,
    position    INTEGER NOT NULL,
    count       INTEGER NOT NULL,
    fingerprint BLOB
) STRICT, WITHOUT ROWID;
CREATE TRIGGER event_update BEFORE UPDATE ON event BEGIN SELECT RAISE(ABORT, 'storied: events never change'); END;
CREATE TRIGGER event_delete BEFORE DELETE ON event BEGIN SELECT RAISE(ABORT, 'storied: events never change'); END;
CREATE TRIGGER event_tag_update BEFORE UPDATE ON event_tag BEGIN SELECT RAISE(ABORT, 'storied: events never change'); END;
CREATE TRIGGER event_tag_delete BEFORE DELETE ON event_tag BEGIN SELECT RAISE(ABORT, 'storied: events never change'); END;
CREATE TRIGGER append_update BEFORE UPDATE ON append BEGIN SELECT RAISE(ABORT, 'storied: events never change'); END;
CREATE TRIGGER append_delete BEFORE DELETE ON append BEGIN SELECT RAISE(ABORT, 'storied: events never change'); END;

-- name: add_checksum
-- What makes a damaged row of `append` known, as the digest does for an event; NULL in rows of older versions.
ALTER TABLE append ADD COLUMN checksum INTEGER;

-- name: add_mark
-- Format 2. `tag_entry` is complete up to the position in `indexed`. Entries of later events may stand in it or not; every
-- connection keeps them in a temporary table, until they are moved in order. `tagged` shows all of them, to any program.
-- The new name keeps off a process of an older version that has the file open, and would take the index for complete.
ALTER TABLE event_tag RENAME TO tag_entry;
CREATE TABLE indexed (
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    position INTEGER NOT NULL,
    checksum INTEGER NOT NULL
) STRICT;
CREATE TRIGGER indexed_delete BEFORE DELETE ON indexed BEGIN SELECT RAISE(ABORT, 'storied: the mark only moves'); END;
CREATE VIEW tagged AS
SELECT tag, position, type FROM tag_entry WHERE position <= (SELECT position FROM indexed)
UNION ALL
SELECT j.value, e.position, e.type FROM event AS e, json_each(e.tags) AS j
WHERE e.position > (SELECT position FROM indexed);

-- name: put_mark
INSERT INTO indexed (id, position, checksum) VALUES (1, ?, ?)
ON CONFLICT (id) DO UPDATE SET position = excluded.position, checksum = excluded.checksum;

-- name: add_facts
INSERT INTO store (name, value) VALUES (?, ?);

-- name: count_tables
SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name IN ('event', 'tag_entry', 'append', 'indexed');

-- name: facts
SELECT name, value FROM store;

-- name: digest_at
SELECT digest FROM event WHERE position = ?;

-- name: last_event
-- The head, the time of the last event, and how far the tag index is complete.
SELECT e.position, e.recorded_at, i.position, i.checksum
FROM (SELECT 1) LEFT JOIN indexed AS i LEFT JOIN (SELECT position, recorded_at FROM event ORDER BY position DESC LIMIT 1) AS e;

-- name: ends
-- The head, and how far the tag index is complete.
SELECT coalesce(max(position), 0), (SELECT position FROM indexed), (SELECT checksum FROM indexed) FROM event;

-- name: put_facts
INSERT OR REPLACE INTO store (name, value) VALUES (?, ?);

-- name: insert_event
-- The statement up to VALUES, as those that follow: the writer adds as many rows as it has.
INSERT INTO event (position, id, type, version, tags, data, metadata, recorded_at, digest)

-- name: insert_append
INSERT INTO append (id, position, count, fingerprint, checksum)

-- name: find_appends
-- What is remembered under the ids in a JSON array.
SELECT a.id, a.position, a.count, a.fingerprint
FROM json_each(?) AS wanted CROSS JOIN append AS a ON a.id = wanted.value;

-- name: read_one
SELECT position, id, type, version, tags, data, metadata, recorded_at, digest FROM event WHERE position = ?;
