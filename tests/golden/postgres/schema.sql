CREATE SCHEMA IF NOT EXISTS "crm";

CREATE SCHEMA IF NOT EXISTS "keepstep";

CREATE TABLE IF NOT EXISTS keepstep.schema_version (
  id integer PRIMARY KEY CHECK (id = 1),
  version bigint NOT NULL
);

CREATE TABLE IF NOT EXISTS keepstep.object_registry (
  table_schema text COLLATE "C" NOT NULL,
  table_name text COLLATE "C" NOT NULL,
  profile text COLLATE "C" NOT NULL,
  entity text COLLATE "C" NOT NULL,
  topic text COLLATE "C" NOT NULL,
  partition_count integer NOT NULL,
  active boolean NOT NULL,
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (table_schema, table_name)
);

CREATE TABLE IF NOT EXISTS keepstep.checkpoint (
  profile text COLLATE "C" NOT NULL,
  topic text COLLATE "C" NOT NULL,
  partition integer NOT NULL,
  entity text COLLATE "C" NOT NULL,
  next_offset bigint NOT NULL,
  owner uuid,
  last_offset bigint,
  last_timestamp_ms bigint,
  last_length_bytes bigint,
  last_crc bigint,
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (profile, topic, partition, entity)
);

CREATE TABLE IF NOT EXISTS keepstep.tombstone (
  profile text COLLATE "C" NOT NULL,
  entity text COLLATE "C" NOT NULL,
  record_id uuid NOT NULL,
  version bigint NOT NULL,
  topic text COLLATE "C" NOT NULL,
  partition integer NOT NULL,
  "offset" bigint NOT NULL,
  deleted_at timestamptz NOT NULL,
  PRIMARY KEY (record_id, entity, profile)
);

INSERT INTO keepstep.schema_version (id, version) VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET version = excluded.version;

CREATE TABLE IF NOT EXISTS "crm"."hq_account" (
  "Id" uuid NOT NULL,
  "SinkCreatedOn" timestamp(3),
  "SinkModifiedOn" timestamp(3),
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

CREATE TABLE IF NOT EXISTS "crm"."hq_contact" (
  "Id" uuid NOT NULL,
  "SinkCreatedOn" timestamp(3),
  "SinkModifiedOn" timestamp(3),
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
  CONSTRAINT "EPK[crm].[hq_contact]" PRIMARY KEY ("Id")
);

