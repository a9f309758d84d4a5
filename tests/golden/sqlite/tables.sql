-- a table of every type
CREATE TABLE "crm_account" (
  "Id" TEXT NOT NULL PRIMARY KEY,
  "SinkCreatedOn" TEXT,
  "SinkModifiedOn" TEXT,
  "accountid" TEXT,
  "name" TEXT,
  "description" TEXT,
  "statecode" INTEGER,
  "entityimage_timestamp" INTEGER,
  "donotemail" INTEGER,
  "createdon" TEXT,
  "revenue" DECIMAL_TEXT(38,2),
  "exchangerate" DECIMAL_TEXT(38,10),
  "versionnumber" INTEGER
);

-- a column that came later
ALTER TABLE "crm_account" ADD COLUMN "revenue" DECIMAL_TEXT(38,2);

-- hostile names
CREATE TABLE "x""; DROP TABLE y; --" (
  "Id" TEXT NOT NULL PRIMARY KEY,
  "SinkCreatedOn" TEXT,
  "SinkModifiedOn" TEXT,
  "a""b" INTEGER,
  "versionnumber" INTEGER
);

-- own tables, version 1
CREATE TABLE keepstep_schema_version (
  "id" INTEGER NOT NULL PRIMARY KEY CHECK ("id" = 1),
  "version" INTEGER NOT NULL
);

-- own tables, version 1
CREATE TABLE keepstep_object_registry (
  "table_name" TEXT NOT NULL PRIMARY KEY,
  "profile" TEXT NOT NULL,
  "entity" TEXT NOT NULL,
  "topic" TEXT NOT NULL,
  "partition_count" INTEGER NOT NULL,
  "active" INTEGER NOT NULL
) WITHOUT ROWID;

-- own tables, version 1
CREATE TABLE keepstep_checkpoint (
  "profile" TEXT NOT NULL,
  "topic" TEXT NOT NULL,
  "partition" INTEGER NOT NULL,
  "entity" TEXT NOT NULL,
  "next_offset" INTEGER NOT NULL,
  "owner" TEXT,
  "last_offset" INTEGER,
  "last_timestamp_ms" INTEGER,
  "last_length_bytes" INTEGER,
  "last_crc" INTEGER,
  PRIMARY KEY ("profile", "topic", "partition", "entity")
) WITHOUT ROWID;

-- own tables, version 1
CREATE TABLE keepstep_tombstone (
  "profile" TEXT NOT NULL,
  "entity" TEXT NOT NULL,
  "record_id" TEXT NOT NULL,
  "version" INTEGER NOT NULL,
  "topic" TEXT NOT NULL,
  "partition" INTEGER NOT NULL,
  "offset" INTEGER NOT NULL,
  PRIMARY KEY ("profile", "entity", "record_id")
) WITHOUT ROWID;

-- own tables, version 2
CREATE TABLE keepstep_held_change (
  "profile" TEXT NOT NULL,
  "topic" TEXT NOT NULL,
  "partition" INTEGER NOT NULL,
  "change_offset" INTEGER NOT NULL,
  "entity" TEXT NOT NULL,
  "record_id" TEXT NOT NULL,
  "version" INTEGER,
  "creates" INTEGER NOT NULL,
  "cause" TEXT NOT NULL,
  "column_name" TEXT,
  "detail" TEXT NOT NULL,
  "attempt" INTEGER NOT NULL,
  "held_at_us" INTEGER NOT NULL,
  "revision" INTEGER NOT NULL,
  "open" INTEGER NOT NULL,
  "published" INTEGER,
  PRIMARY KEY ("profile", "topic", "partition", "change_offset", "entity", "record_id")
) WITHOUT ROWID;

-- own tables, version 2
CREATE INDEX keepstep_held_change_unpublished ON keepstep_held_change ("profile", "topic", "partition", "change_offset", "entity", "record_id") WHERE "published" IS NULL OR "published" < "revision";

-- own tables, version 2
CREATE TABLE keepstep_request (
  "id" TEXT NOT NULL,
  "profile" TEXT NOT NULL,
  "topic" TEXT NOT NULL,
  "partition" INTEGER NOT NULL,
  "body" TEXT NOT NULL,
  "state" TEXT NOT NULL,
  "progress" TEXT NOT NULL,
  "asked_at_us" INTEGER NOT NULL,
  "updated_at_us" INTEGER NOT NULL,
  PRIMARY KEY ("id", "topic", "partition")
) WITHOUT ROWID;

-- own tables, version 2
CREATE TABLE keepstep_lane_state (
  "profile" TEXT NOT NULL,
  "topic" TEXT NOT NULL,
  "partition" INTEGER NOT NULL,
  "owner" TEXT NOT NULL,
  "body" TEXT NOT NULL,
  "said_at_us" INTEGER NOT NULL,
  PRIMARY KEY ("profile", "topic", "partition")
) WITHOUT ROWID;

