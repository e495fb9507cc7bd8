-- name: unindexed
-- The places, in the JSON array ?1 of [tag, position, type], of entries that the tag index lacks, as far as its mark.
SELECT wanted.key FROM json_each(?1) AS wanted
WHERE wanted.value ->> 1 <= (SELECT position FROM indexed) AND NOT EXISTS (
    SELECT 1 FROM tag_entry AS t
    WHERE t.tag = wanted.value ->> 0 AND t.position = wanted.value ->> 1 AND t.type = wanted.value ->> 2
)
ORDER BY wanted.key;

-- name: count_rows
-- Beyond the mark the events themselves are counted: the index may have all, some or none of theirs.
SELECT (SELECT count(*) FROM tag_entry WHERE position <= min(?1, (SELECT position FROM indexed))) + (
    SELECT coalesce(sum(json_array_length(CASE WHEN json_valid(tags) THEN tags ELSE '[]' END)), 0)
    FROM event WHERE position > (SELECT position FROM indexed) AND position <= ?1
);

-- name: some_rows
-- At most ?4 entries of the tag index beyond (?1, ?2), for positions up to ?3, beside the events they speak of.
SELECT t.tag, t.position, t.type, e.type, e.tags
FROM tag_entry AS t LEFT JOIN event AS e ON e.position = t.position
WHERE (t.tag, t.position) > (?1, ?2) AND t.position <= ?3
ORDER BY t.tag, t.position LIMIT ?4;

-- name: sort_appends
-- What is remembered of appends in (?1, ?2], in the order of the log: `append` itself is in the order of the ids.
CREATE TEMP TABLE remembered AS
SELECT position, id, count, fingerprint, checksum FROM main.append
WHERE position > ?1 AND position <= ?2 ORDER BY position, id;

-- name: some_appends
SELECT rowid, id, position, count, fingerprint, checksum FROM temp.remembered
WHERE rowid > ? ORDER BY rowid LIMIT 2048;

-- name: objects
-- What the file says that it is made of.
SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name;
