CREATE TABLE IF NOT EXISTS "crm"."hq_OptionSetMetadata" (
  "EntityName" varchar(64) NOT NULL,
  "OptionSetName" varchar(64) NOT NULL,
  "Option" integer NOT NULL,
  "IsUserLocalizedLabel" boolean NOT NULL,
  "LocalizedLabelLanguageCode" integer NOT NULL,
  "LocalizedLabel" varchar(350),
  PRIMARY KEY ("EntityName", "OptionSetName", "Option", "IsUserLocalizedLabel", "LocalizedLabelLanguageCode")
);

SELECT t."EntityName", t."OptionSetName", t."Option", t."IsUserLocalizedLabel", t."LocalizedLabelLanguageCode", t."LocalizedLabel" FROM "crm"."hq_OptionSetMetadata" AS t WHERE t."EntityName" = ANY ($1::text[]);

DELETE FROM "crm"."hq_OptionSetMetadata" AS t USING unnest($1::text[], $2::text[], $3::integer[], $4::boolean[], $5::integer[]) AS s (c0, c1, c2, c3, c4) WHERE t."EntityName" = s.c0 AND t."OptionSetName" = s.c1 AND t."Option" = s.c2 AND t."IsUserLocalizedLabel" = s.c3 AND t."LocalizedLabelLanguageCode" = s.c4;

INSERT INTO "crm"."hq_OptionSetMetadata" ("EntityName", "OptionSetName", "Option", "IsUserLocalizedLabel", "LocalizedLabelLanguageCode", "LocalizedLabel") SELECT s.c0, s.c1, s.c2, s.c3, s.c4, s.c5 FROM unnest($1::text[], $2::text[], $3::integer[], $4::boolean[], $5::integer[], $6::text[]) AS s (c0, c1, c2, c3, c4, c5);

CREATE TABLE IF NOT EXISTS "crm"."hq_GlobalOptionSetMetadata" (
  "OptionSetName" varchar(64) NOT NULL,
  "Option" integer NOT NULL,
  "IsUserLocalizedLabel" boolean NOT NULL,
  "LocalizedLabelLanguageCode" integer NOT NULL,
  "LocalizedLabel" varchar(350),
  PRIMARY KEY ("OptionSetName", "Option", "IsUserLocalizedLabel", "LocalizedLabelLanguageCode")
);

SELECT t."OptionSetName", t."Option", t."IsUserLocalizedLabel", t."LocalizedLabelLanguageCode", t."LocalizedLabel" FROM "crm"."hq_GlobalOptionSetMetadata" AS t WHERE t."OptionSetName" = ANY ($1::text[]);

DELETE FROM "crm"."hq_GlobalOptionSetMetadata" AS t USING unnest($1::text[], $2::integer[], $3::boolean[], $4::integer[]) AS s (c0, c1, c2, c3) WHERE t."OptionSetName" = s.c0 AND t."Option" = s.c1 AND t."IsUserLocalizedLabel" = s.c2 AND t."LocalizedLabelLanguageCode" = s.c3;

INSERT INTO "crm"."hq_GlobalOptionSetMetadata" ("OptionSetName", "Option", "IsUserLocalizedLabel", "LocalizedLabelLanguageCode", "LocalizedLabel") SELECT s.c0, s.c1, s.c2, s.c3, s.c4 FROM unnest($1::text[], $2::integer[], $3::boolean[], $4::integer[], $5::text[]) AS s (c0, c1, c2, c3, c4);

CREATE TABLE IF NOT EXISTS "crm"."hq_StateMetadata" (
  "EntityName" varchar(64) NOT NULL,
  "State" integer NOT NULL,
  "IsUserLocalizedLabel" boolean NOT NULL,
  "LocalizedLabelLanguageCode" integer NOT NULL,
  "LocalizedLabel" varchar(350),
  PRIMARY KEY ("EntityName", "State", "IsUserLocalizedLabel", "LocalizedLabelLanguageCode")
);

SELECT t."EntityName", t."State", t."IsUserLocalizedLabel", t."LocalizedLabelLanguageCode", t."LocalizedLabel" FROM "crm"."hq_StateMetadata" AS t WHERE t."EntityName" = ANY ($1::text[]);

DELETE FROM "crm"."hq_StateMetadata" AS t USING unnest($1::text[], $2::integer[], $3::boolean[], $4::integer[]) AS s (c0, c1, c2, c3) WHERE t."EntityName" = s.c0 AND t."State" = s.c1 AND t."IsUserLocalizedLabel" = s.c2 AND t."LocalizedLabelLanguageCode" = s.c3;

INSERT INTO "crm"."hq_StateMetadata" ("EntityName", "State", "IsUserLocalizedLabel", "LocalizedLabelLanguageCode", "LocalizedLabel") SELECT s.c0, s.c1, s.c2, s.c3, s.c4 FROM unnest($1::text[], $2::integer[], $3::boolean[], $4::integer[], $5::text[]) AS s (c0, c1, c2, c3, c4);

CREATE TABLE IF NOT EXISTS "crm"."hq_StatusMetadata" (
  "EntityName" varchar(64) NOT NULL,
  "State" integer NOT NULL,
  "Status" integer NOT NULL,
  "IsUserLocalizedLabel" boolean NOT NULL,
  "LocalizedLabelLanguageCode" integer NOT NULL,
  "LocalizedLabel" varchar(350),
  PRIMARY KEY ("EntityName", "State", "Status", "IsUserLocalizedLabel", "LocalizedLabelLanguageCode")
);

SELECT t."EntityName", t."State", t."Status", t."IsUserLocalizedLabel", t."LocalizedLabelLanguageCode", t."LocalizedLabel" FROM "crm"."hq_StatusMetadata" AS t WHERE t."EntityName" = ANY ($1::text[]);

DELETE FROM "crm"."hq_StatusMetadata" AS t USING unnest($1::text[], $2::integer[], $3::integer[], $4::boolean[], $5::integer[]) AS s (c0, c1, c2, c3, c4) WHERE t."EntityName" = s.c0 AND t."State" = s.c1 AND t."Status" = s.c2 AND t."IsUserLocalizedLabel" = s.c3 AND t."LocalizedLabelLanguageCode" = s.c4;

INSERT INTO "crm"."hq_StatusMetadata" ("EntityName", "State", "Status", "IsUserLocalizedLabel", "LocalizedLabelLanguageCode", "LocalizedLabel") SELECT s.c0, s.c1, s.c2, s.c3, s.c4, s.c5 FROM unnest($1::text[], $2::integer[], $3::integer[], $4::boolean[], $5::integer[], $6::text[]) AS s (c0, c1, c2, c3, c4, c5);

CREATE TABLE IF NOT EXISTS "crm"."hq_TargetMetadata" (
  "EntityName" varchar(64) NOT NULL,
  "AttributeName" varchar(64) NOT NULL,
  "ReferencedEntity" varchar(64) NOT NULL,
  "ReferencedAttribute" varchar(64),
  PRIMARY KEY ("EntityName", "AttributeName", "ReferencedEntity")
);

SELECT t."EntityName", t."AttributeName", t."ReferencedEntity", t."ReferencedAttribute" FROM "crm"."hq_TargetMetadata" AS t WHERE t."EntityName" = ANY ($1::text[]);

DELETE FROM "crm"."hq_TargetMetadata" AS t USING unnest($1::text[], $2::text[], $3::text[]) AS s (c0, c1, c2) WHERE t."EntityName" = s.c0 AND t."AttributeName" = s.c1 AND t."ReferencedEntity" = s.c2;

INSERT INTO "crm"."hq_TargetMetadata" ("EntityName", "AttributeName", "ReferencedEntity", "ReferencedAttribute") SELECT s.c0, s.c1, s.c2, s.c3 FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS s (c0, c1, c2, c3);

CREATE TABLE IF NOT EXISTS "crm"."hq_AttributeMetadata" (
  "Id" bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
  "EntityName" varchar(64) NOT NULL,
  "AttributeName" varchar(64) NOT NULL,
  "AttributeType" varchar(64) NOT NULL,
  "AttributeTypeCode" integer NOT NULL,
  "Version" bigint,
  "Timestamp" timestamp(3),
  "MetadataId" varchar(64),
  "Precision" integer
);

SELECT t."EntityName", t."AttributeName", t."AttributeType", t."AttributeTypeCode", t."Version", (extract(epoch FROM t."Timestamp") * 1000)::bigint, t."MetadataId", t."Precision" FROM "crm"."hq_AttributeMetadata" AS t WHERE t."EntityName" = ANY ($1::text[]);

DELETE FROM "crm"."hq_AttributeMetadata" AS t USING unnest($1::text[], $2::text[]) AS s (c0, c1) WHERE t."EntityName" = s.c0 AND t."AttributeName" = s.c1;

INSERT INTO "crm"."hq_AttributeMetadata" ("EntityName", "AttributeName", "AttributeType", "AttributeTypeCode", "Version", "Timestamp", "MetadataId", "Precision") SELECT s.c0, s.c1, s.c2, s.c3, s.c4, timestamp 'epoch' + s.c5 * interval '1 millisecond', s.c6, s.c7 FROM unnest($1::text[], $2::text[], $3::text[], $4::integer[], $5::bigint[], $6::bigint[], $7::text[], $8::integer[]) AS s (c0, c1, c2, c3, c4, c5, c6, c7);

CREATE TABLE IF NOT EXISTS "crm"."hq_DeleteLog" (
  "Id" bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
  "EntityName" varchar(64) NOT NULL,
  "RecordId" varchar(64) NOT NULL,
  "SinkDeleteTime" timestamp(3) NOT NULL,
  "VersionNumber" bigint NOT NULL
);

ALTER TABLE "crm"."hq_account"
  ALTER COLUMN "name" TYPE text,
  ALTER COLUMN "revenue" TYPE numeric(38,4),
  ALTER COLUMN "importsequence" TYPE bigint;

