-- the clock
SELECT CAST(round(unixepoch('now', 'subsec') * 1000) AS INTEGER) * 1000;

-- hold
INSERT INTO keepstep_held_change AS t ("profile", "topic", "partition", "change_offset", "entity", "record_id", "version", "cause", "column_name", "detail", "attempt", "held_at_us", "revision", "open", "creates") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?12, 1, ?13) ON CONFLICT ("profile", "topic", "partition", "change_offset", "entity", "record_id") DO UPDATE SET "version" = excluded."version", "cause" = excluded."cause", "column_name" = excluded."column_name", "detail" = excluded."detail", "attempt" = excluded."attempt", "revision" = max(t."revision" + 1, excluded."revision"), "open" = 1, "creates" = excluded."creates";

-- release
UPDATE keepstep_held_change AS t SET "cause" = ?7, "column_name" = NULL, "detail" = '', "revision" = max(t."revision" + 1, ?8), "open" = 0 WHERE t."profile" = ?1 AND t."topic" = ?2 AND t."partition" = ?3 AND t."change_offset" = ?4 AND t."entity" = ?5 AND t."record_id" = ?6 AND t."open" = 1;

-- held
SELECT t."change_offset", t."entity", t."record_id", t."version", t."cause", t."column_name", t."detail", t."attempt", t."held_at_us", t."revision", t."open", t."published", t."creates" FROM keepstep_held_change AS t WHERE t."profile" = ?1 AND t."topic" = ?2 AND t."partition" = ?3 AND (t."change_offset", t."entity", t."record_id") > (?4, ?5, ?6) ORDER BY t."change_offset", t."entity", t."record_id" LIMIT ?7;

-- held and not published
SELECT t."change_offset", t."entity", t."record_id", t."version", t."cause", t."column_name", t."detail", t."attempt", t."held_at_us", t."revision", t."open", t."published", t."creates" FROM keepstep_held_change AS t INDEXED BY keepstep_held_change_unpublished WHERE t."profile" = ?1 AND t."topic" = ?2 AND t."partition" = ?3 AND (t."change_offset", t."entity", t."record_id") > (?4, ?5, ?6) AND ("published" IS NULL OR "published" < "revision") ORDER BY t."change_offset", t."entity", t."record_id" LIMIT ?7;

-- mark as published
UPDATE keepstep_held_change AS t SET "published" = max(ifnull(t."published", ?7), ?7) WHERE t."profile" = ?1 AND t."topic" = ?2 AND t."partition" = ?3 AND t."change_offset" = ?4 AND t."entity" = ?5 AND t."record_id" = ?6;

-- forget what is released and published
DELETE FROM keepstep_held_change AS t WHERE t."profile" = ?1 AND t."topic" = ?2 AND t."partition" = ?3 AND t."change_offset" = ?4 AND t."entity" = ?5 AND t."record_id" = ?6 AND t."open" = 0 AND t."published" >= t."revision" RETURNING "revision";

