-- delete, versioned
DELETE FROM "account" AS t WHERE t."Id" = ?1 AND (t."versionnumber" IS NULL OR t."versionnumber" <= ?2);

-- delete, unversioned
DELETE FROM "account" AS t WHERE t."Id" = ?1;

-- image, unguarded
INSERT INTO "account" AS t ("Id", "SinkCreatedOn", "SinkModifiedOn", "name", "a""b", "versionnumber") VALUES (?1, ?2, ?2, ?3, ?4, ?5) ON CONFLICT ("Id") DO UPDATE SET "SinkModifiedOn" = excluded."SinkModifiedOn", "name" = excluded."name", "a""b" = excluded."a""b", "versionnumber" = excluded."versionnumber";

-- image, versioned
INSERT INTO "account" AS t ("Id", "SinkCreatedOn", "SinkModifiedOn", "name", "a""b", "versionnumber") VALUES (?1, ?2, ?2, ?3, ?4, ?5) ON CONFLICT ("Id") DO UPDATE SET "SinkModifiedOn" = excluded."SinkModifiedOn", "name" = excluded."name", "a""b" = excluded."a""b", "versionnumber" = excluded."versionnumber" WHERE (t."versionnumber" IS NULL OR t."versionnumber" <= ?6);

-- image, versioned, where there are tombstones
INSERT INTO "account" AS t ("Id", "SinkCreatedOn", "SinkModifiedOn", "name", "a""b", "versionnumber") SELECT ?1, ?2, ?2, ?3, ?4, ?5 WHERE NOT EXISTS (SELECT 1 FROM keepstep_tombstone AS d WHERE d."profile" = ?7 AND d."entity" = ?8 AND d."record_id" = ?1 AND d."version" >= ?6) ON CONFLICT ("Id") DO UPDATE SET "SinkModifiedOn" = excluded."SinkModifiedOn", "name" = excluded."name", "a""b" = excluded."a""b", "versionnumber" = excluded."versionnumber" WHERE (t."versionnumber" IS NULL OR t."versionnumber" <= ?6);

-- image that is no create, unversioned, where there are tombstones
INSERT INTO "account" AS t ("Id", "SinkCreatedOn", "SinkModifiedOn", "name", "a""b", "versionnumber") SELECT ?1, ?2, ?2, ?3, ?4, ?5 WHERE NOT EXISTS (SELECT 1 FROM keepstep_tombstone AS d WHERE d."profile" = ?7 AND d."entity" = ?8 AND d."record_id" = ?1) OR EXISTS (SELECT 1 FROM "account" AS r WHERE r."Id" = ?1) ON CONFLICT ("Id") DO UPDATE SET "SinkModifiedOn" = excluded."SinkModifiedOn", "name" = excluded."name", "a""b" = excluded."a""b", "versionnumber" = excluded."versionnumber";

-- patch, versioned
UPDATE "account" AS t SET "SinkModifiedOn" = ?2, "versionnumber" = ifnull(?3, t."versionnumber"), "name" = ?5, "a""b" = ?6 WHERE t."Id" = ?1 AND (t."versionnumber" IS NULL OR t."versionnumber" < ?4);

-- patch, unversioned
UPDATE "account" AS t SET "SinkModifiedOn" = ?2, "versionnumber" = ifnull(?3, t."versionnumber"), "a""b" = ?5 WHERE t."Id" = ?1;

-- patch of no column
UPDATE "account" AS t SET "SinkModifiedOn" = ?2, "versionnumber" = ifnull(?3, t."versionnumber") WHERE t."Id" = ?1 AND (t."versionnumber" IS NULL OR t."versionnumber" < ?4);

-- a row's version
SELECT t."versionnumber" FROM "account" AS t WHERE t."Id" = ?1;

