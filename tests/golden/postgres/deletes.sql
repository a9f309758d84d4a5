INSERT INTO "crm"."hq_DeleteLog" ("EntityName", "RecordId", "SinkDeleteTime", "VersionNumber") SELECT 'account', t."Id"::text, (SELECT (now() AT TIME ZONE 'UTC')::timestamp(3)), s.version FROM "crm"."hq_account" AS t JOIN pg_temp.keepstep_stage_1 AS s ON s.kind = 0 AND t."Id" = s.id AND (t."versionnumber" IS NULL OR t."versionnumber" <= s.version);

DELETE FROM "crm"."hq_account" AS t USING pg_temp.keepstep_stage_1 AS s WHERE s.kind = 0 AND t."Id" = s.id AND (t."versionnumber" IS NULL OR t."versionnumber" <= s.version);

INSERT INTO keepstep.tombstone AS d (profile, entity, record_id, version, topic, partition, "offset", deleted_at) SELECT 'head-quarters', 'account', s.id, s.version, E'it''s a \\topic', 3, s.record_offset, now() FROM pg_temp.keepstep_stage_1 AS s WHERE s.kind = 0 AND NOT EXISTS (SELECT FROM "crm"."hq_account" AS e WHERE e."Id" = s.id) ON CONFLICT (record_id, entity, profile) DO UPDATE SET version = greatest(d.version, excluded.version), topic = excluded.topic, partition = excluded.partition, "offset" = excluded."offset", deleted_at = excluded.deleted_at;

INSERT INTO "crm"."hq_account" AS t ("Id", "SinkCreatedOn", "SinkModifiedOn", "name", "description", "statecode", "importsequence", "donotphone", "createdon", "revenue", "ownerid", "ownerid_entitytype", "x""; DROP TABLE y; --", "versionnumber") SELECT s.id, (SELECT (now() AT TIME ZONE 'UTC')::timestamp(3)), (SELECT (now() AT TIME ZONE 'UTC')::timestamp(3)), s.c0, s.c1, s.c2, s.c3, s.c4, s.c5, s.c6, s.c7, s.c8, s.c9, s.version FROM pg_temp.keepstep_stage_1 AS s WHERE s.kind = 1 AND NOT EXISTS (SELECT FROM keepstep.tombstone AS d WHERE d.record_id = s.id AND d.entity = 'account' AND d.profile = 'head-quarters' AND d.version >= s.version) ON CONFLICT ("Id") DO UPDATE SET "SinkModifiedOn" = excluded."SinkModifiedOn", "name" = excluded."name", "description" = excluded."description", "statecode" = excluded."statecode", "importsequence" = excluded."importsequence", "donotphone" = excluded."donotphone", "createdon" = excluded."createdon", "revenue" = excluded."revenue", "ownerid" = excluded."ownerid", "ownerid_entitytype" = excluded."ownerid_entitytype", "x""; DROP TABLE y; --" = excluded."x""; DROP TABLE y; --", "versionnumber" = excluded."versionnumber" WHERE (t."versionnumber" IS NULL OR t."versionnumber" <= excluded."versionnumber");

WITH patched AS (UPDATE "crm"."hq_account" AS t SET "SinkModifiedOn" = (SELECT (now() AT TIME ZONE 'UTC')::timestamp(3)), "description" = s.c1, "versionnumber" = s.version FROM pg_temp.keepstep_stage_1 AS s WHERE s.kind IN (4, 5) AND t."Id" = s.id AND (t."versionnumber" IS NULL OR t."versionnumber" < s.version) RETURNING s.kind), counted AS (SELECT count(*) AS n, count(*) FILTER (WHERE kind = 4) AS alone FROM patched) SELECT CASE WHEN alone = 1 THEN n WHEN NOT EXISTS (SELECT FROM pg_temp.keepstep_stage_1 AS s WHERE s.kind = 4 AND NOT EXISTS (SELECT FROM "crm"."hq_account" AS e WHERE e."Id" = s.id) AND NOT EXISTS (SELECT FROM keepstep.tombstone AS d WHERE d.record_id = s.id AND d.entity = 'account' AND d.profile = 'head-quarters')) THEN n ELSE ('keepstep found a patch without a row; patches that applied: ' || n)::bigint END FROM counted;

INSERT INTO "crm"."hq_DeleteLog" ("EntityName", "RecordId", "SinkDeleteTime", "VersionNumber") SELECT 'account', t."Id"::text, (SELECT (now() AT TIME ZONE 'UTC')::timestamp(3)), coalesce(t."versionnumber", 0) FROM "crm"."hq_account" AS t JOIN pg_temp.keepstep_stage_1 AS s ON s.kind = 0 AND t."Id" = s.id;

DELETE FROM "crm"."hq_account" AS t USING pg_temp.keepstep_stage_1 AS s WHERE s.kind = 0 AND t."Id" = s.id;

INSERT INTO keepstep.tombstone AS d (profile, entity, record_id, version, topic, partition, "offset", deleted_at) SELECT 'head-quarters', 'account', s.id, 0, E'it''s a \\topic', 3, s.record_offset, now() FROM pg_temp.keepstep_stage_1 AS s WHERE s.kind = 0 ON CONFLICT (record_id, entity, profile) DO UPDATE SET version = greatest(d.version, excluded.version), topic = excluded.topic, partition = excluded.partition, "offset" = excluded."offset", deleted_at = excluded.deleted_at;

INSERT INTO "crm"."hq_account" AS t ("Id", "SinkCreatedOn", "SinkModifiedOn", "name", "description", "statecode", "importsequence", "donotphone", "createdon", "revenue", "ownerid", "ownerid_entitytype", "x""; DROP TABLE y; --", "versionnumber") SELECT s.id, (SELECT (now() AT TIME ZONE 'UTC')::timestamp(3)), (SELECT (now() AT TIME ZONE 'UTC')::timestamp(3)), s.c0, s.c1, s.c2, s.c3, s.c4, s.c5, s.c6, s.c7, s.c8, s.c9, NULL FROM pg_temp.keepstep_stage_1 AS s WHERE s.kind IN (1, 2) AND (s.kind = 2 OR NOT EXISTS (SELECT FROM keepstep.tombstone AS d WHERE d.record_id = s.id AND d.entity = 'account' AND d.profile = 'head-quarters') OR EXISTS (SELECT FROM "crm"."hq_account" AS e WHERE e."Id" = s.id)) ON CONFLICT ("Id") DO UPDATE SET "SinkModifiedOn" = excluded."SinkModifiedOn", "name" = excluded."name", "description" = excluded."description", "statecode" = excluded."statecode", "importsequence" = excluded."importsequence", "donotphone" = excluded."donotphone", "createdon" = excluded."createdon", "revenue" = excluded."revenue", "ownerid" = excluded."ownerid", "ownerid_entitytype" = excluded."ownerid_entitytype", "x""; DROP TABLE y; --" = excluded."x""; DROP TABLE y; --", "versionnumber" = excluded."versionnumber";

WITH patched AS (UPDATE "crm"."hq_account" AS t SET "SinkModifiedOn" = (SELECT (now() AT TIME ZONE 'UTC')::timestamp(3)), "description" = s.c1 FROM pg_temp.keepstep_stage_1 AS s WHERE s.kind IN (4, 5) AND t."Id" = s.id RETURNING s.kind), counted AS (SELECT count(*) AS n, count(*) FILTER (WHERE kind = 4) AS alone FROM patched) SELECT CASE WHEN alone = 1 THEN n WHEN NOT EXISTS (SELECT FROM pg_temp.keepstep_stage_1 AS s WHERE s.kind = 4 AND NOT EXISTS (SELECT FROM "crm"."hq_account" AS e WHERE e."Id" = s.id) AND NOT EXISTS (SELECT FROM keepstep.tombstone AS d WHERE d.record_id = s.id AND d.entity = 'account' AND d.profile = 'head-quarters')) THEN n ELSE ('keepstep found a patch without a row; patches that applied: ' || n)::bigint END FROM counted;

CREATE TABLE IF NOT EXISTS "crm"."hq_account" (
  "Id" uuid NOT NULL,
  "SinkCreatedOn" timestamp(3),
  "SinkModifiedOn" timestamp(3),
  "SinkDeletedOn" timestamp(3),
  "name" varchar(160),
  "description" text,
  "statecode" integer,
  "importsequence" bigint,
  "donotphone" boolean,
  "createdon" timestamp(3),
  "revenue" numeric(38,2),
  "ownerid" uuid,
  "ownerid_entitytype" varchar(128),
  "x""; DROP TABLE y; --" integer,
  "versionnumber" bigint,
  CONSTRAINT "EPK[crm].[hq_account]" PRIMARY KEY ("Id")
);

INSERT INTO "crm"."hq_DeleteLog" ("EntityName", "RecordId", "SinkDeleteTime", "VersionNumber") SELECT 'account', t."Id"::text, (SELECT (now() AT TIME ZONE 'UTC')::timestamp(3)), s.version FROM "crm"."hq_account" AS t JOIN pg_temp.keepstep_stage_1 AS s ON s.kind = 0 AND t."Id" = s.id AND t."SinkDeletedOn" IS NULL AND (t."versionnumber" IS NULL OR t."versionnumber" <= s.version);

UPDATE "crm"."hq_account" AS t SET "SinkDeletedOn" = (SELECT (now() AT TIME ZONE 'UTC')::timestamp(3)), "SinkModifiedOn" = (SELECT (now() AT TIME ZONE 'UTC')::timestamp(3)), "versionnumber" = s.version FROM pg_temp.keepstep_stage_1 AS s WHERE s.kind = 0 AND t."Id" = s.id AND t."SinkDeletedOn" IS NULL AND (t."versionnumber" IS NULL OR t."versionnumber" <= s.version);

INSERT INTO keepstep.tombstone AS d (profile, entity, record_id, version, topic, partition, "offset", deleted_at) SELECT 'head-quarters', 'account', s.id, s.version, E'it''s a \\topic', 3, s.record_offset, now() FROM pg_temp.keepstep_stage_1 AS s WHERE s.kind = 0 AND NOT EXISTS (SELECT FROM "crm"."hq_account" AS e WHERE e."Id" = s.id AND e."SinkDeletedOn" IS NULL) ON CONFLICT (record_id, entity, profile) DO UPDATE SET version = greatest(d.version, excluded.version), topic = excluded.topic, partition = excluded.partition, "offset" = excluded."offset", deleted_at = excluded.deleted_at;

INSERT INTO "crm"."hq_account" AS t ("Id", "SinkCreatedOn", "SinkModifiedOn", "name", "description", "statecode", "importsequence", "donotphone", "createdon", "revenue", "ownerid", "ownerid_entitytype", "x""; DROP TABLE y; --", "versionnumber") SELECT s.id, (SELECT (now() AT TIME ZONE 'UTC')::timestamp(3)), (SELECT (now() AT TIME ZONE 'UTC')::timestamp(3)), s.c0, s.c1, s.c2, s.c3, s.c4, s.c5, s.c6, s.c7, s.c8, s.c9, s.version FROM pg_temp.keepstep_stage_1 AS s WHERE s.kind = 1 AND NOT EXISTS (SELECT FROM keepstep.tombstone AS d WHERE d.record_id = s.id AND d.entity = 'account' AND d.profile = 'head-quarters' AND d.version >= s.version) ON CONFLICT ("Id") DO UPDATE SET "SinkModifiedOn" = excluded."SinkModifiedOn", "name" = excluded."name", "description" = excluded."description", "statecode" = excluded."statecode", "importsequence" = excluded."importsequence", "donotphone" = excluded."donotphone", "createdon" = excluded."createdon", "revenue" = excluded."revenue", "ownerid" = excluded."ownerid", "ownerid_entitytype" = excluded."ownerid_entitytype", "x""; DROP TABLE y; --" = excluded."x""; DROP TABLE y; --", "versionnumber" = excluded."versionnumber", "SinkCreatedOn" = CASE WHEN t."SinkDeletedOn" IS NULL THEN t."SinkCreatedOn" ELSE excluded."SinkCreatedOn" END, "SinkDeletedOn" = NULL WHERE (t."versionnumber" IS NULL OR t."versionnumber" <= excluded."versionnumber");

WITH patched AS (UPDATE "crm"."hq_account" AS t SET "SinkModifiedOn" = (SELECT (now() AT TIME ZONE 'UTC')::timestamp(3)), "description" = s.c1, "versionnumber" = s.version FROM pg_temp.keepstep_stage_1 AS s WHERE s.kind IN (4, 5) AND t."Id" = s.id AND t."SinkDeletedOn" IS NULL AND (t."versionnumber" IS NULL OR t."versionnumber" < s.version) RETURNING s.kind), counted AS (SELECT count(*) AS n, count(*) FILTER (WHERE kind = 4) AS alone FROM patched) SELECT CASE WHEN alone = 1 THEN n WHEN NOT EXISTS (SELECT FROM pg_temp.keepstep_stage_1 AS s WHERE s.kind = 4 AND NOT EXISTS (SELECT FROM "crm"."hq_account" AS e WHERE e."Id" = s.id AND e."SinkDeletedOn" IS NULL) AND NOT EXISTS (SELECT FROM keepstep.tombstone AS d WHERE d.record_id = s.id AND d.entity = 'account' AND d.profile = 'head-quarters')) THEN n ELSE ('keepstep found a patch without a row; patches that applied: ' || n)::bigint END FROM counted;

CREATE TABLE IF NOT EXISTS "crm"."hq_account" (
  "Id" uuid NOT NULL,
  "SinkCreatedOn" timestamp(3),
  "SinkModifiedOn" timestamp(3),
  "SinkDeletedOn" timestamp(3),
  "name" varchar(160),
  "description" text,
  "statecode" integer,
  "importsequence" bigint,
  "donotphone" boolean,
  "createdon" timestamp(3),
  "revenue" numeric(38,2),
  "ownerid" uuid,
  "ownerid_entitytype" varchar(128),
  "x""; DROP TABLE y; --" integer,
  "versionnumber" bigint,
  CONSTRAINT "EPK[crm].[hq_account]" PRIMARY KEY ("Id")
);

INSERT INTO "crm"."hq_DeleteLog" ("EntityName", "RecordId", "SinkDeleteTime", "VersionNumber") SELECT 'account', t."Id"::text, (SELECT (now() AT TIME ZONE 'UTC')::timestamp(3)), coalesce(t."versionnumber", 0) FROM "crm"."hq_account" AS t JOIN pg_temp.keepstep_stage_1 AS s ON s.kind = 0 AND t."Id" = s.id AND t."SinkDeletedOn" IS NULL;

UPDATE "crm"."hq_account" AS t SET "SinkDeletedOn" = (SELECT (now() AT TIME ZONE 'UTC')::timestamp(3)), "SinkModifiedOn" = (SELECT (now() AT TIME ZONE 'UTC')::timestamp(3)) FROM pg_temp.keepstep_stage_1 AS s WHERE s.kind = 0 AND t."Id" = s.id AND t."SinkDeletedOn" IS NULL;

INSERT INTO keepstep.tombstone AS d (profile, entity, record_id, version, topic, partition, "offset", deleted_at) SELECT 'head-quarters', 'account', s.id, 0, E'it''s a \\topic', 3, s.record_offset, now() FROM pg_temp.keepstep_stage_1 AS s WHERE s.kind = 0 ON CONFLICT (record_id, entity, profile) DO UPDATE SET version = greatest(d.version, excluded.version), topic = excluded.topic, partition = excluded.partition, "offset" = excluded."offset", deleted_at = excluded.deleted_at;

INSERT INTO "crm"."hq_account" AS t ("Id", "SinkCreatedOn", "SinkModifiedOn", "name", "description", "statecode", "importsequence", "donotphone", "createdon", "revenue", "ownerid", "ownerid_entitytype", "x""; DROP TABLE y; --", "versionnumber") SELECT s.id, (SELECT (now() AT TIME ZONE 'UTC')::timestamp(3)), (SELECT (now() AT TIME ZONE 'UTC')::timestamp(3)), s.c0, s.c1, s.c2, s.c3, s.c4, s.c5, s.c6, s.c7, s.c8, s.c9, NULL FROM pg_temp.keepstep_stage_1 AS s WHERE s.kind IN (1, 2) AND (s.kind = 2 OR NOT EXISTS (SELECT FROM keepstep.tombstone AS d WHERE d.record_id = s.id AND d.entity = 'account' AND d.profile = 'head-quarters') OR EXISTS (SELECT FROM "crm"."hq_account" AS e WHERE e."Id" = s.id AND e."SinkDeletedOn" IS NULL)) ON CONFLICT ("Id") DO UPDATE SET "SinkModifiedOn" = excluded."SinkModifiedOn", "name" = excluded."name", "description" = excluded."description", "statecode" = excluded."statecode", "importsequence" = excluded."importsequence", "donotphone" = excluded."donotphone", "createdon" = excluded."createdon", "revenue" = excluded."revenue", "ownerid" = excluded."ownerid", "ownerid_entitytype" = excluded."ownerid_entitytype", "x""; DROP TABLE y; --" = excluded."x""; DROP TABLE y; --", "versionnumber" = excluded."versionnumber", "SinkCreatedOn" = CASE WHEN t."SinkDeletedOn" IS NULL THEN t."SinkCreatedOn" ELSE excluded."SinkCreatedOn" END, "SinkDeletedOn" = NULL;

WITH patched AS (UPDATE "crm"."hq_account" AS t SET "SinkModifiedOn" = (SELECT (now() AT TIME ZONE 'UTC')::timestamp(3)), "description" = s.c1 FROM pg_temp.keepstep_stage_1 AS s WHERE s.kind IN (4, 5) AND t."Id" = s.id AND t."SinkDeletedOn" IS NULL RETURNING s.kind), counted AS (SELECT count(*) AS n, count(*) FILTER (WHERE kind = 4) AS alone FROM patched) SELECT CASE WHEN alone = 1 THEN n WHEN NOT EXISTS (SELECT FROM pg_temp.keepstep_stage_1 AS s WHERE s.kind = 4 AND NOT EXISTS (SELECT FROM "crm"."hq_account" AS e WHERE e."Id" = s.id AND e."SinkDeletedOn" IS NULL) AND NOT EXISTS (SELECT FROM keepstep.tombstone AS d WHERE d.record_id = s.id AND d.entity = 'account' AND d.profile = 'head-quarters')) THEN n ELSE ('keepstep found a patch without a row; patches that applied: ' || n)::bigint END FROM counted;

