-- the fence
UPDATE keepstep_checkpoint AS t SET "next_offset" = ?7, "last_offset" = ifnull(?8, t."last_offset"), "last_timestamp_ms" = ifnull(?9, t."last_timestamp_ms"), "last_length_bytes" = ifnull(?10, t."last_length_bytes"), "last_crc" = ifnull(?11, t."last_crc") WHERE t."profile" = ?1 AND t."topic" = ?2 AND t."partition" = ?3 AND t."entity" = ?4 AND t."owner" = ?5 AND t."next_offset" = ?6;

-- a cursor of an entity's own
INSERT OR REPLACE INTO keepstep_checkpoint ("profile", "topic", "partition", "entity", "next_offset", "owner", "last_offset", "last_timestamp_ms", "last_length_bytes", "last_crc") SELECT a."profile", a."topic", a."partition", ?4, ?6, ?5, a."last_offset", a."last_timestamp_ms", a."last_length_bytes", a."last_crc" FROM keepstep_checkpoint AS a WHERE a."profile" = ?1 AND a."topic" = ?2 AND a."partition" = ?3 AND a."entity" = '';

-- an idle lane looks
SELECT 1 FROM keepstep_checkpoint AS t WHERE t."profile" = ?1 AND t."topic" = ?2 AND t."partition" = ?3 AND t."entity" = ?4 AND t."owner" = ?5 AND t."next_offset" = ?6;

-- take: fold
DELETE FROM keepstep_checkpoint AS t WHERE t."profile" = ?1 AND t."topic" = ?2 AND t."partition" = ?3 AND t."entity" <> '' AND t."next_offset" = (SELECT a."next_offset" FROM keepstep_checkpoint AS a WHERE a."profile" = ?1 AND a."topic" = ?2 AND a."partition" = ?3 AND a."entity" = '');

-- take
UPDATE keepstep_checkpoint AS t SET "owner" = ?4 WHERE t."profile" = ?1 AND t."topic" = ?2 AND t."partition" = ?3 RETURNING "entity", "next_offset", "last_offset", "last_timestamp_ms", "last_length_bytes", "last_crc";

-- activation: cursors
SELECT t."topic", t."partition", t."entity", t."next_offset" FROM keepstep_checkpoint AS t WHERE t."profile" = ?1;

-- activation: start a cursor
INSERT OR REPLACE INTO keepstep_checkpoint ("profile", "topic", "partition", "entity", "next_offset") VALUES (?1, ?2, ?3, ?4, ?5);

-- activation: the registry
SELECT t."table_name", t."profile", t."entity", t."topic", t."partition_count", t."active" FROM keepstep_object_registry AS t;

-- activation: register
INSERT OR REPLACE INTO keepstep_object_registry ("table_name", "profile", "entity", "topic", "partition_count", "active") VALUES (?1, ?2, ?3, ?4, ?5, ?6);

-- activation: retire
UPDATE keepstep_object_registry AS t SET "active" = 0 WHERE t."table_name" = ?1;

-- activation: version
SELECT t."version" FROM keepstep_schema_version AS t;

-- activation: set the version
INSERT OR REPLACE INTO keepstep_schema_version ("id", "version") VALUES (1, ?1);

-- activation: what is there
SELECT t.type FROM sqlite_schema AS t WHERE t.type IN ('table', 'view') AND lower(t.name) = lower(?1);

-- activation: its columns
SELECT t.name, t.type FROM pragma_table_xinfo(?1) AS t ORDER BY t.cid;

-- the present
SELECT strftime('%Y-%m-%d %H:%M:%f', 'now');

-- whether an entity has tombstones
SELECT 1 FROM keepstep_tombstone AS t WHERE t."profile" = ?1 AND t."entity" = ?2 LIMIT 1;

-- whether a record has one
SELECT 1 FROM keepstep_tombstone AS t WHERE t."profile" = ?1 AND t."entity" = ?2 AND t."record_id" = ?3;

-- leave a tombstone
INSERT INTO keepstep_tombstone AS t ("profile", "entity", "record_id", "version", "topic", "partition", "offset") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT ("profile", "entity", "record_id") DO UPDATE SET "version" = max(t."version", excluded."version"), "topic" = excluded."topic", "partition" = excluded."partition", "offset" = excluded."offset";

