-- name: next_tags
-- The tags beyond ?1 with their last positions, at most ?2: one seek from each tag to the next, whatever lies between.
WITH RECURSIVE found (tag) AS (
    SELECT (SELECT tag FROM temp.entry WHERE tag > ?1 ORDER BY tag LIMIT 1)
    UNION ALL
    SELECT (SELECT tag FROM temp.entry WHERE tag > found.tag ORDER BY tag LIMIT 1) FROM found WHERE tag IS NOT NULL
    LIMIT ?2
)
SELECT tag, (SELECT position FROM temp.entry WHERE tag = found.tag ORDER BY position DESC LIMIT 1)
FROM found WHERE tag IS NOT NULL;

-- name: count_tag
-- How many events carry the tag ?1 beyond position ?2, counted up to ?3, and the last position that was counted.
SELECT count(*), max(position)
FROM (SELECT position FROM temp.entry WHERE tag = ?1 AND position > ?2 ORDER BY position LIMIT ?3);

-- name: stream_facts
-- The first position of the stream ?1, and what stands at its last one, ?2.
SELECT (SELECT position FROM temp.entry WHERE tag = ?1 ORDER BY position LIMIT 1), type, recorded_at
FROM event WHERE position = ?2;

-- name: next_type
SELECT type FROM event WHERE type > ? ORDER BY type LIMIT 1;

-- name: count_type
-- As count_tag, for events of the type ?1.
SELECT count(*), max(position)
FROM (SELECT position FROM event WHERE type = ?1 AND position > ?2 ORDER BY position LIMIT ?3);

-- name: ends
-- The first and last recording times.
SELECT (SELECT recorded_at FROM event ORDER BY position LIMIT 1),
       (SELECT recorded_at FROM event ORDER BY position DESC LIMIT 1);
