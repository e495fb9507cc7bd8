-- name: schema
-- Read models: a table `view_<name>` for each view (made when the view is first prepared) and one row here, which
-- moves in the same transaction as the documents. `definition` tells when a view's indexes have changed.
CREATE TABLE IF NOT EXISTS checkpoint (
    view       TEXT    PRIMARY KEY,
    position   INTEGER NOT NULL,
    log        TEXT    NOT NULL,
    digest     BLOB    NOT NULL,
    definition TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

-- name: get_checkpoint
SELECT position, log, digest FROM checkpoint WHERE view = ?;

-- name: list_checkpoints
SELECT view, position, log, digest FROM checkpoint ORDER BY view;

-- name: get_definition
SELECT definition FROM checkpoint WHERE view = ?;

-- name: put_checkpoint
INSERT INTO checkpoint (view, position, log, digest, definition) VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT (view) DO UPDATE SET position = ?2, log = ?3, digest = ?4, definition = ?5;

-- name: move_checkpoint
UPDATE checkpoint SET position = ?2, log = ?3, digest = ?4 WHERE view = ?1;
