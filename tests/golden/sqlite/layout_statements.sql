-- a table
CREATE TABLE "crm_OptionSetMetadata" (
  "EntityName" TEXT NOT NULL,
  "OptionSetName" TEXT NOT NULL,
  "Option" INTEGER NOT NULL,
  "IsUserLocalizedLabel" INTEGER NOT NULL,
  "LocalizedLabelLanguageCode" INTEGER NOT NULL,
  "LocalizedLabel" TEXT,
  PRIMARY KEY ("EntityName", "OptionSetName", "Option", "IsUserLocalizedLabel", "LocalizedLabelLanguageCode")
);

-- its rows
SELECT t."EntityName", t."OptionSetName", t."Option", t."IsUserLocalizedLabel", t."LocalizedLabelLanguageCode", t."LocalizedLabel" FROM "crm_OptionSetMetadata" AS t WHERE t."EntityName" = ?1;

-- rows go
DELETE FROM "crm_OptionSetMetadata" AS t WHERE t."EntityName" = ?1 AND t."OptionSetName" = ?2 AND t."Option" = ?3 AND t."IsUserLocalizedLabel" = ?4 AND t."LocalizedLabelLanguageCode" = ?5;

-- rows come
INSERT INTO "crm_OptionSetMetadata" ("EntityName", "OptionSetName", "Option", "IsUserLocalizedLabel", "LocalizedLabelLanguageCode", "LocalizedLabel") VALUES (?1, ?2, ?3, ?4, ?5, ?6);

-- a table
CREATE TABLE "crm_GlobalOptionSetMetadata" (
  "OptionSetName" TEXT NOT NULL,
  "Option" INTEGER NOT NULL,
  "IsUserLocalizedLabel" INTEGER NOT NULL,
  "LocalizedLabelLanguageCode" INTEGER NOT NULL,
  "LocalizedLabel" TEXT,
  PRIMARY KEY ("OptionSetName", "Option", "IsUserLocalizedLabel", "LocalizedLabelLanguageCode")
);

-- its rows
SELECT t."OptionSetName", t."Option", t."IsUserLocalizedLabel", t."LocalizedLabelLanguageCode", t."LocalizedLabel" FROM "crm_GlobalOptionSetMetadata" AS t WHERE t."OptionSetName" = ?1;

-- rows go
DELETE FROM "crm_GlobalOptionSetMetadata" AS t WHERE t."OptionSetName" = ?1 AND t."Option" = ?2 AND t."IsUserLocalizedLabel" = ?3 AND t."LocalizedLabelLanguageCode" = ?4;

-- rows come
INSERT INTO "crm_GlobalOptionSetMetadata" ("OptionSetName", "Option", "IsUserLocalizedLabel", "LocalizedLabelLanguageCode", "LocalizedLabel") VALUES (?1, ?2, ?3, ?4, ?5);

-- a table
CREATE TABLE "crm_StateMetadata" (
  "EntityName" TEXT NOT NULL,
  "State" INTEGER NOT NULL,
  "IsUserLocalizedLabel" INTEGER NOT NULL,
  "LocalizedLabelLanguageCode" INTEGER NOT NULL,
  "LocalizedLabel" TEXT,
  PRIMARY KEY ("EntityName", "State", "IsUserLocalizedLabel", "LocalizedLabelLanguageCode")
);

-- its rows
SELECT t."EntityName", t."State", t."IsUserLocalizedLabel", t."LocalizedLabelLanguageCode", t."LocalizedLabel" FROM "crm_StateMetadata" AS t WHERE t."EntityName" = ?1;

-- rows go
DELETE FROM "crm_StateMetadata" AS t WHERE t."EntityName" = ?1 AND t."State" = ?2 AND t."IsUserLocalizedLabel" = ?3 AND t."LocalizedLabelLanguageCode" = ?4;

-- rows come
INSERT INTO "crm_StateMetadata" ("EntityName", "State", "IsUserLocalizedLabel", "LocalizedLabelLanguageCode", "LocalizedLabel") VALUES (?1, ?2, ?3, ?4, ?5);

-- a table
CREATE TABLE "crm_StatusMetadata" (
  "EntityName" TEXT NOT NULL,
  "State" INTEGER NOT NULL,
  "Status" INTEGER NOT NULL,
  "IsUserLocalizedLabel" INTEGER NOT NULL,
  "LocalizedLabelLanguageCode" INTEGER NOT NULL,
  "LocalizedLabel" TEXT,
  PRIMARY KEY ("EntityName", "State", "Status", "IsUserLocalizedLabel", "LocalizedLabelLanguageCode")
);

-- its rows
SELECT t."EntityName", t."State", t."Status", t."IsUserLocalizedLabel", t."LocalizedLabelLanguageCode", t."LocalizedLabel" FROM "crm_StatusMetadata" AS t WHERE t."EntityName" = ?1;

-- rows go
DELETE FROM "crm_StatusMetadata" AS t WHERE t."EntityName" = ?1 AND t."State" = ?2 AND t."Status" = ?3 AND t."IsUserLocalizedLabel" = ?4 AND t."LocalizedLabelLanguageCode" = ?5;

-- rows come
INSERT INTO "crm_StatusMetadata" ("EntityName", "State", "Status", "IsUserLocalizedLabel", "LocalizedLabelLanguageCode", "LocalizedLabel") VALUES (?1, ?2, ?3, ?4, ?5, ?6);

-- a table
CREATE TABLE "crm_TargetMetadata" (
  "EntityName" TEXT NOT NULL,
  "AttributeName" TEXT NOT NULL,
  "ReferencedEntity" TEXT NOT NULL,
  "ReferencedAttribute" TEXT,
  PRIMARY KEY ("EntityName", "AttributeName", "ReferencedEntity")
);

-- its rows
SELECT t."EntityName", t."AttributeName", t."ReferencedEntity", t."ReferencedAttribute" FROM "crm_TargetMetadata" AS t WHERE t."EntityName" = ?1;

-- rows go
DELETE FROM "crm_TargetMetadata" AS t WHERE t."EntityName" = ?1 AND t."AttributeName" = ?2 AND t."ReferencedEntity" = ?3;

-- rows come
INSERT INTO "crm_TargetMetadata" ("EntityName", "AttributeName", "ReferencedEntity", "ReferencedAttribute") VALUES (?1, ?2, ?3, ?4);

-- a table
CREATE TABLE "crm_AttributeMetadata" (
  "Id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  "EntityName" TEXT NOT NULL,
  "AttributeName" TEXT NOT NULL,
  "AttributeType" TEXT NOT NULL,
  "AttributeTypeCode" INTEGER NOT NULL,
  "Version" INTEGER,
  "Timestamp" TEXT,
  "MetadataId" TEXT,
  "Precision" INTEGER
);

-- its rows
SELECT t."EntityName", t."AttributeName", t."AttributeType", t."AttributeTypeCode", t."Version", t."Timestamp", t."MetadataId", t."Precision" FROM "crm_AttributeMetadata" AS t WHERE t."EntityName" = ?1;

-- rows go
DELETE FROM "crm_AttributeMetadata" AS t WHERE t."EntityName" = ?1 AND t."AttributeName" = ?2;

-- rows come
INSERT INTO "crm_AttributeMetadata" ("EntityName", "AttributeName", "AttributeType", "AttributeTypeCode", "Version", "Timestamp", "MetadataId", "Precision") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8);

-- a table
CREATE TABLE "crm_DeleteLog" (
  "Id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  "EntityName" TEXT NOT NULL,
  "RecordId" TEXT NOT NULL,
  "SinkDeleteTime" TEXT NOT NULL,
  "VersionNumber" INTEGER NOT NULL
);

-- a delete is noted, versioned
INSERT INTO "crm_DeleteLog" ("EntityName", "RecordId", "SinkDeleteTime", "VersionNumber") SELECT ?2, ?1, ?3, ?4 FROM "account" AS t WHERE t."Id" = ?1 AND (t."versionnumber" IS NULL OR t."versionnumber" <= ?4);

-- a delete is noted, unversioned
INSERT INTO "crm_DeleteLog" ("EntityName", "RecordId", "SinkDeleteTime", "VersionNumber") SELECT ?2, ?1, ?3, coalesce(t."versionnumber", 0) FROM "account" AS t WHERE t."Id" = ?1;

-- a table whose rows stay
CREATE TABLE "account" (
  "Id" TEXT NOT NULL PRIMARY KEY,
  "SinkCreatedOn" TEXT,
  "SinkModifiedOn" TEXT,
  "SinkDeletedOn" TEXT,
  "name" INTEGER,
  "versionnumber" INTEGER
);

-- a delete is noted, the row stays
INSERT INTO "crm_DeleteLog" ("EntityName", "RecordId", "SinkDeleteTime", "VersionNumber") SELECT ?2, ?1, ?3, ?4 FROM "account" AS t WHERE t."Id" = ?1 AND t."SinkDeletedOn" IS NULL AND (t."versionnumber" IS NULL OR t."versionnumber" <= ?4);

-- a delete, the row stays, versioned
UPDATE "account" AS t SET "SinkDeletedOn" = ?3, "SinkModifiedOn" = ?3, "versionnumber" = ifnull(?2, t."versionnumber") WHERE t."Id" = ?1 AND t."SinkDeletedOn" IS NULL AND (t."versionnumber" IS NULL OR t."versionnumber" <= ?2);

-- a delete, the row stays, unversioned
UPDATE "account" AS t SET "SinkDeletedOn" = ?3, "SinkModifiedOn" = ?3, "versionnumber" = ifnull(?2, t."versionnumber") WHERE t."Id" = ?1 AND t."SinkDeletedOn" IS NULL;

-- an image, versioned
INSERT INTO "account" AS t ("Id", "SinkCreatedOn", "SinkModifiedOn", "name", "versionnumber") SELECT ?1, ?2, ?2, ?3, ?4 WHERE NOT EXISTS (SELECT 1 FROM keepstep_tombstone AS d WHERE d."profile" = ?6 AND d."entity" = ?7 AND d."record_id" = ?1 AND d."version" >= ?5) ON CONFLICT ("Id") DO UPDATE SET "SinkModifiedOn" = excluded."SinkModifiedOn", "name" = excluded."name", "SinkCreatedOn" = CASE WHEN t."SinkDeletedOn" IS NULL THEN t."SinkCreatedOn" ELSE excluded."SinkCreatedOn" END, "SinkDeletedOn" = NULL, "versionnumber" = excluded."versionnumber" WHERE (t."versionnumber" IS NULL OR t."versionnumber" <= ?5);

-- an image, unversioned
INSERT INTO "account" AS t ("Id", "SinkCreatedOn", "SinkModifiedOn", "name", "versionnumber") SELECT ?1, ?2, ?2, ?3, ?4 WHERE NOT EXISTS (SELECT 1 FROM keepstep_tombstone AS d WHERE d."profile" = ?6 AND d."entity" = ?7 AND d."record_id" = ?1) OR EXISTS (SELECT 1 FROM "account" AS r WHERE r."Id" = ?1 AND r."SinkDeletedOn" IS NULL) ON CONFLICT ("Id") DO UPDATE SET "SinkModifiedOn" = excluded."SinkModifiedOn", "name" = excluded."name", "SinkCreatedOn" = CASE WHEN t."SinkDeletedOn" IS NULL THEN t."SinkCreatedOn" ELSE excluded."SinkCreatedOn" END, "SinkDeletedOn" = NULL, "versionnumber" = excluded."versionnumber";

-- a patch
UPDATE "account" AS t SET "SinkModifiedOn" = ?2, "versionnumber" = ifnull(?3, t."versionnumber"), "name" = ?5 WHERE t."Id" = ?1 AND t."SinkDeletedOn" IS NULL AND (t."versionnumber" IS NULL OR t."versionnumber" < ?4);

-- a row's version
SELECT t."versionnumber" FROM "account" AS t WHERE t."Id" = ?1 AND t."SinkDeletedOn" IS NULL;

-- whether a table has rows
SELECT 1 FROM "account" LIMIT 1;

