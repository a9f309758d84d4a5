ALTER TABLE "crm"."hq_account"
  ADD COLUMN IF NOT EXISTS "createdon" timestamp(3),
  ADD COLUMN IF NOT EXISTS "revenue" numeric(38,2),
  ADD COLUMN IF NOT EXISTS "ownerid" uuid,
  ADD COLUMN IF NOT EXISTS "ownerid_entitytype" varchar(128),
  ADD COLUMN IF NOT EXISTS "x""; DROP TABLE y; --" integer;

CREATE TEMP TABLE keepstep_stage_1 (kind smallint, id uuid, version bigint, guard bigint, record_offset bigint) ON COMMIT DELETE ROWS; ALTER TABLE pg_temp.keepstep_stage_1 ADD COLUMN present bytea, ADD COLUMN versions bigint[], ADD COLUMN c0 varchar(160), ADD COLUMN c1 text, ADD COLUMN c2 integer, ADD COLUMN c3 bigint, ADD COLUMN c4 boolean, ADD COLUMN c5 timestamp(3), ADD COLUMN c6 numeric(38,2), ADD COLUMN c7 uuid, ADD COLUMN c8 varchar(128), ADD COLUMN c9 integer, ALTER COLUMN present SET STORAGE PLAIN, ALTER COLUMN versions SET STORAGE PLAIN, ALTER COLUMN c0 SET STORAGE PLAIN, ALTER COLUMN c1 SET STORAGE PLAIN, ALTER COLUMN c6 SET STORAGE PLAIN, ALTER COLUMN c8 SET STORAGE PLAIN;

CREATE TEMP TABLE keepstep_stage_2 (kind smallint, id uuid, version bigint, guard bigint, record_offset bigint, present bytea, versions bigint[], c0 varchar(160), c1 text, c2 integer, c3 bigint, c4 boolean, c5 timestamp(3), c6 numeric(38,2), c7 uuid, c8 varchar(128), c9 integer) WITH (toast_tuple_target = 8160) ON COMMIT DELETE ROWS;

DROP TABLE IF EXISTS pg_temp.keepstep_stage_1;

