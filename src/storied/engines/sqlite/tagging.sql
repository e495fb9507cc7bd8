-- name: make_tail
PRAGMA temp.cache_size = -16384;
-- The tag index's entries of the newest events, in the memory of one connection.
CREATE TEMP TABLE IF NOT EXISTS tail (
    tag      TEXT    NOT NULL,
    position INTEGER NOT NULL,
    type     TEXT    NOT NULL,
    PRIMARY KEY (tag, position)
) STRICT, WITHOUT ROWID;
-- The whole tag index as the connection sees it: what stands in the file up to the mark, and the tail.
CREATE TEMP VIEW IF NOT EXISTS entry AS
SELECT tag, position, type FROM main.tag_entry WHERE position <= (SELECT position FROM main.indexed)
UNION ALL
SELECT tag, position, type FROM temp.tail WHERE position > (SELECT position FROM main.indexed);

-- name: fill_tail
-- The entries of the events in (?1, ?2]. Tags that damage has made unreadable are for verification to find.
INSERT INTO temp.tail (tag, position, type)
SELECT j.value, e.position, e.type
FROM main.event AS e, json_each(CASE WHEN json_valid(e.tags) THEN e.tags ELSE '[]' END) AS j
WHERE e.position > ?1 AND e.position <= ?2
ON CONFLICT (tag, position) DO NOTHING;

-- name: empty_tail
DELETE FROM temp.tail;

-- name: cut_tail
DELETE FROM temp.tail WHERE position <= ?;

-- name: edge
-- The last of the next ?4 entries beyond (?1, ?2) of events up to ?3, if there are so many.
SELECT tag, position FROM temp.tail WHERE (tag, position) > (?1, ?2) AND position <= ?3
ORDER BY tag, position LIMIT 1 OFFSET ?4 - 1;

-- name: move_some
-- Moves the entries beyond (?1, ?2) and up to (?4, ?5) of events up to ?3; another process may have moved some.
INSERT OR IGNORE INTO main.tag_entry (tag, position, type)
SELECT tag, position, type FROM temp.tail
WHERE (tag, position) > (?1, ?2) AND (tag, position) <= (?4, ?5) AND position <= ?3
ORDER BY tag, position;

-- name: move_rest
INSERT OR IGNORE INTO main.tag_entry (tag, position, type)
SELECT tag, position, type FROM temp.tail WHERE (tag, position) > (?1, ?2) AND position <= ?3 ORDER BY tag, position;

-- name: index_all
-- Enters every event beyond the mark, whatever is there of it already.
INSERT INTO main.tag_entry (tag, position, type)
SELECT j.value, e.position, e.type
FROM main.event AS e, json_each(CASE WHEN json_valid(e.tags) THEN e.tags ELSE '[]' END) AS j
WHERE e.position > (SELECT position FROM main.indexed) ORDER BY 1, 2
ON CONFLICT (tag, position) DO NOTHING;
