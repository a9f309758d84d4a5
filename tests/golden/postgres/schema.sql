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

CREATE TABLE IF NOT EXISTS keepstep.held_change (
  profile text COLLATE "C" NOT NULL,
  topic text COLLATE "C" NOT NULL,
  partition integer NOT NULL,
  change_offset bigint NOT NULL,
  entity text COLLATE "C" NOT NULL,
  record_id uuid NOT NULL,
  version bigint,
  cause text NOT NULL,
  column_name text,
  detail text NOT NULL,
  creates boolean NOT NULL DEFAULT false,
  attempt bigint NOT NULL,
  held_at_us bigint NOT NULL,
  revision bigint NOT NULL,
  open boolean NOT NULL,
  published bigint,
  PRIMARY KEY (profile, topic, partition, change_offset, entity, record_id)
);

CREATE INDEX IF NOT EXISTS held_change_unpublished ON keepstep.held_change (profile, topic, partition, change_offset, entity, record_id) WHERE published IS NULL OR published < revision;

CREATE TABLE IF NOT EXISTS keepstep.request (
  id uuid NOT NULL,
  profile text COLLATE "C" NOT NULL,
  topic text COLLATE "C" NOT NULL,
  partition integer NOT NULL,
  body text NOT NULL,
  state text COLLATE "C" NOT NULL,
  progress text NOT NULL,
  asked_at_us bigint NOT NULL,
  updated_at_us bigint NOT NULL,
  PRIMARY KEY (id, topic, partition)
);

CREATE TABLE IF NOT EXISTS keepstep.lane_state (
  profile text COLLATE "C" NOT NULL,
  topic text COLLATE "C" NOT NULL,
  partition integer NOT NULL,
  owner text NOT NULL,
  body text NOT NULL,
  said_at_us bigint NOT NULL,
  PRIMARY KEY (profile, topic, partition)
);

INSERT INTO keepstep.schema_version (id, version) VALUES (1, 2) ON CONFLICT (id) DO UPDATE SET version = excluded.version;

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

