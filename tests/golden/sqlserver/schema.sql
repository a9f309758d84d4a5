SET ANSI_NULLS ON; SET ANSI_PADDING ON; SET ANSI_WARNINGS ON; SET ARITHABORT ON; SET CONCAT_NULL_YIELDS_NULL ON; SET QUOTED_IDENTIFIER ON; SET NUMERIC_ROUNDABORT OFF;

IF SCHEMA_ID(N'crm') IS NULL EXEC(N'CREATE SCHEMA [crm]');

IF SCHEMA_ID(N'keepstep') IS NULL EXEC(N'CREATE SCHEMA [keepstep]');

IF OBJECT_ID(N'[keepstep].[schema_version]') IS NULL CREATE TABLE [keepstep].[schema_version] (
  id int NOT NULL CHECK (id = 1),
  version bigint NOT NULL,
  CONSTRAINT [PK_keepstep_schema_version] PRIMARY KEY CLUSTERED (id)
);

IF OBJECT_ID(N'[keepstep].[object_registry]') IS NULL CREATE TABLE [keepstep].[object_registry] (
  table_schema nvarchar(128) COLLATE Latin1_General_BIN2 NOT NULL,
  table_name nvarchar(128) COLLATE Latin1_General_BIN2 NOT NULL,
  profile varchar(64) COLLATE Latin1_General_BIN2 NOT NULL,
  entity nvarchar(128) COLLATE Latin1_General_BIN2 NOT NULL,
  topic nvarchar(249) COLLATE Latin1_General_BIN2 NOT NULL,
  partition_count int NOT NULL,
  active bit NOT NULL,
  updated_at datetime2(3) NOT NULL DEFAULT SYSUTCDATETIME(),
  CONSTRAINT [PK_keepstep_object_registry] PRIMARY KEY CLUSTERED (table_schema, table_name)
);

IF OBJECT_ID(N'[keepstep].[checkpoint]') IS NULL CREATE TABLE [keepstep].[checkpoint] (
  profile varchar(64) COLLATE Latin1_General_BIN2 NOT NULL,
  topic nvarchar(249) COLLATE Latin1_General_BIN2 NOT NULL,
  [partition] int NOT NULL,
  entity nvarchar(128) COLLATE Latin1_General_BIN2 NOT NULL,
  next_offset bigint NOT NULL,
  owner uniqueidentifier NULL,
  last_offset bigint NULL,
  last_timestamp_ms bigint NULL,
  last_length_bytes bigint NULL,
  last_crc bigint NULL,
  updated_at datetime2(3) NOT NULL DEFAULT SYSUTCDATETIME(),
  CONSTRAINT [PK_keepstep_checkpoint] PRIMARY KEY CLUSTERED (profile, topic, [partition], entity)
);

IF OBJECT_ID(N'[keepstep].[tombstone]') IS NULL CREATE TABLE [keepstep].[tombstone] (
  profile varchar(64) COLLATE Latin1_General_BIN2 NOT NULL,
  entity nvarchar(128) COLLATE Latin1_General_BIN2 NOT NULL,
  record_id uniqueidentifier NOT NULL,
  version bigint NOT NULL,
  topic nvarchar(249) NOT NULL,
  [partition] int NOT NULL,
  [offset] bigint NOT NULL,
  deleted_at datetime2(3) NOT NULL,
  CONSTRAINT [PK_keepstep_tombstone] PRIMARY KEY CLUSTERED (record_id, entity, profile)
);

IF OBJECT_ID(N'[keepstep].[held_change]') IS NULL CREATE TABLE [keepstep].[held_change] (
  profile varchar(64) COLLATE Latin1_General_BIN2 NOT NULL,
  topic nvarchar(249) COLLATE Latin1_General_BIN2 NOT NULL,
  [partition] int NOT NULL,
  change_offset bigint NOT NULL,
  entity nvarchar(128) COLLATE Latin1_General_BIN2 NOT NULL,
  record_id uniqueidentifier NOT NULL,
  version bigint NULL,
  cause nvarchar(128) NOT NULL,
  column_name nvarchar(max) NULL,
  detail nvarchar(max) NOT NULL,
  creates bit NOT NULL DEFAULT 0,
  attempt bigint NOT NULL,
  held_at_us bigint NOT NULL,
  revision bigint NOT NULL,
  [open] bit NOT NULL,
  published bigint NULL,
  unpublished AS CASE WHEN published IS NULL OR published < revision THEN 1 ELSE 0 END PERSISTED,
  CONSTRAINT [PK_keepstep_held_change] PRIMARY KEY CLUSTERED (profile, topic, [partition], change_offset, entity, record_id)
);

IF NOT EXISTS (SELECT 1 FROM sys.indexes AS i WHERE i.object_id = OBJECT_ID(N'[keepstep].[held_change]') AND i.name LIKE N'held_change_unpublished%') CREATE INDEX held_change_unpublished ON [keepstep].[held_change] (profile, topic, [partition], unpublished, change_offset, entity, record_id);

IF OBJECT_ID(N'[keepstep].[request]') IS NULL CREATE TABLE [keepstep].[request] (
  id uniqueidentifier NOT NULL,
  profile varchar(64) COLLATE Latin1_General_BIN2 NOT NULL,
  topic nvarchar(249) COLLATE Latin1_General_BIN2 NOT NULL,
  [partition] int NOT NULL,
  body nvarchar(max) NOT NULL,
  state varchar(16) COLLATE Latin1_General_BIN2 NOT NULL,
  progress nvarchar(max) NOT NULL,
  asked_at_us bigint NOT NULL,
  updated_at_us bigint NOT NULL,
  CONSTRAINT [PK_keepstep_request] PRIMARY KEY CLUSTERED (id, topic, [partition])
);

IF OBJECT_ID(N'[keepstep].[lane_state]') IS NULL CREATE TABLE [keepstep].[lane_state] (
  profile varchar(64) COLLATE Latin1_General_BIN2 NOT NULL,
  topic nvarchar(249) COLLATE Latin1_General_BIN2 NOT NULL,
  [partition] int NOT NULL,
  owner nvarchar(max) NOT NULL,
  body nvarchar(max) NOT NULL,
  said_at_us bigint NOT NULL,
  CONSTRAINT [PK_keepstep_lane_state] PRIMARY KEY CLUSTERED (profile, topic, [partition])
);

IF NOT EXISTS (SELECT 1 FROM [keepstep].[schema_version] AS v) INSERT INTO [keepstep].[schema_version] (id, version) VALUES (1, 2);

UPDATE [keepstep].[schema_version] SET version = 2 WHERE version < 2;

IF OBJECT_ID(N'[crm].[hq_account]') IS NULL CREATE TABLE [crm].[hq_account] (
  [Id] uniqueidentifier NOT NULL,
  [SinkCreatedOn] datetime NULL,
  [SinkModifiedOn] datetime NULL,
  [name] nvarchar(160) NULL,
  [description] nvarchar(max) NULL,
  [statecode] int NULL,
  [importsequence] bigint NULL,
  [donotphone] bit NULL,
  [createdon] datetime NULL,
  [revenue] decimal(38,2) NULL,
  [ownerid] uniqueidentifier NULL,
  [ownerid_entitytype] nvarchar(128) NULL,
  [x]]; DROP TABLE y; --'] int NULL,
  [versionnumber] bigint NULL,
  CONSTRAINT [EPK[crm]].[hq_account]]] PRIMARY KEY CLUSTERED ([Id])
);

IF OBJECT_ID(N'[crm].[hq_contact]') IS NULL CREATE TABLE [crm].[hq_contact] (
  [Id] uniqueidentifier NOT NULL,
  [SinkCreatedOn] datetime NULL,
  [SinkModifiedOn] datetime NULL,
  [name] nvarchar(160) NULL,
  [description] nvarchar(max) NULL,
  [statecode] int NULL,
  [importsequence] bigint NULL,
  [donotphone] bit NULL,
  [createdon] datetime NULL,
  [revenue] decimal(38,2) NULL,
  [ownerid] uniqueidentifier NULL,
  [ownerid_entitytype] nvarchar(128) NULL,
  [x]]; DROP TABLE y; --'] int NULL,
  [versionnumber] bigint NULL,
  CONSTRAINT [EPK[crm]].[hq_contact]]] PRIMARY KEY CLUSTERED ([Id])
);

IF OBJECT_ID(N'[crm].[hq_OptionSetMetadata]') IS NULL CREATE TABLE [crm].[hq_OptionSetMetadata] (
  [EntityName] nvarchar(64) NOT NULL,
  [OptionSetName] nvarchar(64) NOT NULL,
  [Option] int NOT NULL,
  [IsUserLocalizedLabel] bit NOT NULL,
  [LocalizedLabelLanguageCode] int NOT NULL,
  [LocalizedLabel] nvarchar(350) NULL,
  CONSTRAINT [PK_hq_OptionSetMetadata] PRIMARY KEY CLUSTERED ([EntityName], [OptionSetName], [Option], [IsUserLocalizedLabel], [LocalizedLabelLanguageCode])
);

IF OBJECT_ID(N'[crm].[hq_GlobalOptionSetMetadata]') IS NULL CREATE TABLE [crm].[hq_GlobalOptionSetMetadata] (
  [OptionSetName] nvarchar(64) NOT NULL,
  [Option] int NOT NULL,
  [IsUserLocalizedLabel] bit NOT NULL,
  [LocalizedLabelLanguageCode] int NOT NULL,
  [LocalizedLabel] nvarchar(350) NULL,
  CONSTRAINT [PK_hq_GlobalOptionSetMetadata] PRIMARY KEY CLUSTERED ([OptionSetName], [Option], [IsUserLocalizedLabel], [LocalizedLabelLanguageCode])
);

IF OBJECT_ID(N'[crm].[hq_StateMetadata]') IS NULL CREATE TABLE [crm].[hq_StateMetadata] (
  [EntityName] nvarchar(64) NOT NULL,
  [State] int NOT NULL,
  [IsUserLocalizedLabel] bit NOT NULL,
  [LocalizedLabelLanguageCode] int NOT NULL,
  [LocalizedLabel] nvarchar(350) NULL,
  CONSTRAINT [PK_hq_StateMetadata] PRIMARY KEY CLUSTERED ([EntityName], [State], [IsUserLocalizedLabel], [LocalizedLabelLanguageCode])
);

IF OBJECT_ID(N'[crm].[hq_StatusMetadata]') IS NULL CREATE TABLE [crm].[hq_StatusMetadata] (
  [EntityName] nvarchar(64) NOT NULL,
  [State] int NOT NULL,
  [Status] int NOT NULL,
  [IsUserLocalizedLabel] bit NOT NULL,
  [LocalizedLabelLanguageCode] int NOT NULL,
  [LocalizedLabel] nvarchar(350) NULL,
  CONSTRAINT [PK_hq_StatusMetadata] PRIMARY KEY CLUSTERED ([EntityName], [State], [Status], [IsUserLocalizedLabel], [LocalizedLabelLanguageCode])
);

IF OBJECT_ID(N'[crm].[hq_TargetMetadata]') IS NULL CREATE TABLE [crm].[hq_TargetMetadata] (
  [EntityName] nvarchar(64) NOT NULL,
  [AttributeName] nvarchar(64) NOT NULL,
  [ReferencedEntity] nvarchar(64) NOT NULL,
  [ReferencedAttribute] nvarchar(64) NULL,
  CONSTRAINT [PK_hq_TargetMetadata] PRIMARY KEY CLUSTERED ([EntityName], [AttributeName], [ReferencedEntity])
);

IF OBJECT_ID(N'[crm].[hq_AttributeMetadata]') IS NULL CREATE TABLE [crm].[hq_AttributeMetadata] (
  [Id] bigint IDENTITY(1,1) NOT NULL,
  [EntityName] nvarchar(64) NOT NULL,
  [AttributeName] nvarchar(64) NOT NULL,
  [AttributeType] nvarchar(64) NOT NULL,
  [AttributeTypeCode] int NOT NULL,
  [Version] bigint NULL,
  [Timestamp] datetime NULL,
  [MetadataId] nvarchar(64) NULL,
  [Precision] int NULL,
  CONSTRAINT [PK_hq_AttributeMetadata] PRIMARY KEY CLUSTERED ([Id])
);

IF OBJECT_ID(N'[crm].[hq_DeleteLog]') IS NULL CREATE TABLE [crm].[hq_DeleteLog] (
  [Id] bigint IDENTITY(1,1) NOT NULL,
  [EntityName] nvarchar(64) NOT NULL,
  [RecordId] nvarchar(64) NOT NULL,
  [SinkDeleteTime] datetime NOT NULL,
  [VersionNumber] bigint NOT NULL,
  CONSTRAINT [PK_hq_DeleteLog] PRIMARY KEY CLUSTERED ([Id])
);

IF TYPE_ID(N'[crm].[hq_accountType]') IS NULL CREATE TYPE [crm].[hq_accountType] AS TABLE (
  [Id] uniqueidentifier NOT NULL,
  [SinkCreatedOn] datetime NULL,
  [SinkModifiedOn] datetime NULL,
  [name] nvarchar(160) NULL,
  [description] nvarchar(max) NULL,
  [statecode] int NULL,
  [importsequence] bigint NULL,
  [donotphone] bit NULL,
  [createdon] datetime NULL,
  [revenue] decimal(38,2) NULL,
  [ownerid] uniqueidentifier NULL,
  [ownerid_entitytype] nvarchar(128) NULL,
  [x]]; DROP TABLE y; --'] int NULL,
  [versionnumber] bigint NULL
);

IF TYPE_ID(N'[crm].[hq_accountIdType]') IS NULL CREATE TYPE [crm].[hq_accountIdType] AS TABLE (
  [Id] uniqueidentifier NOT NULL
);

IF TYPE_ID(N'[crm].[hq_contactType]') IS NULL CREATE TYPE [crm].[hq_contactType] AS TABLE (
  [Id] uniqueidentifier NOT NULL,
  [SinkCreatedOn] datetime NULL,
  [SinkModifiedOn] datetime NULL,
  [name] nvarchar(160) NULL,
  [description] nvarchar(max) NULL,
  [statecode] int NULL,
  [importsequence] bigint NULL,
  [donotphone] bit NULL,
  [createdon] datetime NULL,
  [revenue] decimal(38,2) NULL,
  [ownerid] uniqueidentifier NULL,
  [ownerid_entitytype] nvarchar(128) NULL,
  [x]]; DROP TABLE y; --'] int NULL,
  [versionnumber] bigint NULL
);

IF TYPE_ID(N'[crm].[hq_contactIdType]') IS NULL CREATE TYPE [crm].[hq_contactIdType] AS TABLE (
  [Id] uniqueidentifier NOT NULL
);

IF TYPE_ID(N'[crm].[hq_AttributeMetadataList]') IS NULL CREATE TYPE [crm].[hq_AttributeMetadataList] AS TABLE (
  [EntityName] nvarchar(64) NULL,
  [AttributeName] nvarchar(64) NULL,
  [AttributeType] nvarchar(64) NULL,
  [AttributeTypeCode] int NULL,
  [Version] bigint NULL,
  [Timestamp] datetime NULL,
  [MetadataId] nvarchar(64) NULL,
  [Precision] int NULL
);

IF TYPE_ID(N'[crm].[hq_OptionSetMetadataList]') IS NULL CREATE TYPE [crm].[hq_OptionSetMetadataList] AS TABLE (
  [EntityName] nvarchar(64) NULL,
  [OptionSetName] nvarchar(64) NULL,
  [Option] int NULL,
  [IsUserLocalizedLabel] bit NULL,
  [LocalizedLabelLanguageCode] int NULL,
  [LocalizedLabel] nvarchar(350) NULL
);

IF TYPE_ID(N'[crm].[hq_StateMetadataList]') IS NULL CREATE TYPE [crm].[hq_StateMetadataList] AS TABLE (
  [EntityName] nvarchar(64) NULL,
  [State] int NULL,
  [IsUserLocalizedLabel] bit NULL,
  [LocalizedLabelLanguageCode] int NULL,
  [LocalizedLabel] nvarchar(350) NULL
);

IF TYPE_ID(N'[crm].[hq_StatusMetadataList]') IS NULL CREATE TYPE [crm].[hq_StatusMetadataList] AS TABLE (
  [EntityName] nvarchar(64) NULL,
  [State] int NULL,
  [Status] int NULL,
  [IsUserLocalizedLabel] bit NULL,
  [LocalizedLabelLanguageCode] int NULL,
  [LocalizedLabel] nvarchar(350) NULL
);

IF TYPE_ID(N'[crm].[hq_TargetMetadataList]') IS NULL CREATE TYPE [crm].[hq_TargetMetadataList] AS TABLE (
  [EntityName] nvarchar(64) NULL,
  [AttributeName] nvarchar(64) NULL,
  [ReferencedEntity] nvarchar(64) NULL,
  [ReferencedAttribute] nvarchar(64) NULL
);

IF OBJECT_ID(N'[crm].[hq_UpsertAttributeMetadata]', N'P') IS NULL EXEC(N'CREATE PROCEDURE [crm].[hq_UpsertAttributeMetadata] @List [crm].[hq_AttributeMetadataList] READONLY AS
BEGIN
SET NOCOUNT ON;
SET XACT_ABORT ON;
BEGIN TRANSACTION;
UPDATE t SET [AttributeType] = s.[AttributeType], [AttributeTypeCode] = s.[AttributeTypeCode], [Version] = s.[Version], [Timestamp] = s.[Timestamp], [MetadataId] = s.[MetadataId], [Precision] = s.[Precision] FROM [crm].[hq_AttributeMetadata] AS t JOIN (SELECT l.[EntityName], l.[AttributeName], l.[AttributeType], l.[AttributeTypeCode], l.[Version], l.[Timestamp], l.[MetadataId], l.[Precision], ROW_NUMBER() OVER (PARTITION BY l.[EntityName], l.[AttributeName] ORDER BY l.[Version] DESC) AS place FROM @List AS l) AS s ON t.[EntityName] = s.[EntityName] AND t.[AttributeName] = s.[AttributeName] WHERE s.place = 1;
INSERT INTO [crm].[hq_AttributeMetadata] ([EntityName], [AttributeName], [AttributeType], [AttributeTypeCode], [Version], [Timestamp], [MetadataId], [Precision]) SELECT s.[EntityName], s.[AttributeName], s.[AttributeType], s.[AttributeTypeCode], s.[Version], s.[Timestamp], s.[MetadataId], s.[Precision] FROM (SELECT l.[EntityName], l.[AttributeName], l.[AttributeType], l.[AttributeTypeCode], l.[Version], l.[Timestamp], l.[MetadataId], l.[Precision], ROW_NUMBER() OVER (PARTITION BY l.[EntityName], l.[AttributeName] ORDER BY l.[Version] DESC) AS place FROM @List AS l) AS s WHERE s.place = 1 AND NOT EXISTS (SELECT 1 FROM [crm].[hq_AttributeMetadata] AS t WHERE t.[EntityName] = s.[EntityName] AND t.[AttributeName] = s.[AttributeName]);
COMMIT TRANSACTION;
END');

IF OBJECT_ID(N'[crm].[hq_UpsertGlobalOptionSetMetadata]', N'P') IS NULL EXEC(N'CREATE PROCEDURE [crm].[hq_UpsertGlobalOptionSetMetadata] @List [crm].[hq_OptionSetMetadataList] READONLY AS
BEGIN
SET NOCOUNT ON;
SET XACT_ABORT ON;
BEGIN TRANSACTION;
UPDATE t SET [LocalizedLabel] = s.[LocalizedLabel] FROM [crm].[hq_GlobalOptionSetMetadata] AS t JOIN (SELECT l.[OptionSetName], l.[Option], l.[IsUserLocalizedLabel], l.[LocalizedLabelLanguageCode], l.[LocalizedLabel], ROW_NUMBER() OVER (PARTITION BY l.[OptionSetName], l.[Option], l.[IsUserLocalizedLabel], l.[LocalizedLabelLanguageCode] ORDER BY l.[LocalizedLabel] DESC) AS place FROM @List AS l) AS s ON t.[OptionSetName] = s.[OptionSetName] AND t.[Option] = s.[Option] AND t.[IsUserLocalizedLabel] = s.[IsUserLocalizedLabel] AND t.[LocalizedLabelLanguageCode] = s.[LocalizedLabelLanguageCode] WHERE s.place = 1;
INSERT INTO [crm].[hq_GlobalOptionSetMetadata] ([OptionSetName], [Option], [IsUserLocalizedLabel], [LocalizedLabelLanguageCode], [LocalizedLabel]) SELECT s.[OptionSetName], s.[Option], s.[IsUserLocalizedLabel], s.[LocalizedLabelLanguageCode], s.[LocalizedLabel] FROM (SELECT l.[OptionSetName], l.[Option], l.[IsUserLocalizedLabel], l.[LocalizedLabelLanguageCode], l.[LocalizedLabel], ROW_NUMBER() OVER (PARTITION BY l.[OptionSetName], l.[Option], l.[IsUserLocalizedLabel], l.[LocalizedLabelLanguageCode] ORDER BY l.[LocalizedLabel] DESC) AS place FROM @List AS l) AS s WHERE s.place = 1 AND NOT EXISTS (SELECT 1 FROM [crm].[hq_GlobalOptionSetMetadata] AS t WHERE t.[OptionSetName] = s.[OptionSetName] AND t.[Option] = s.[Option] AND t.[IsUserLocalizedLabel] = s.[IsUserLocalizedLabel] AND t.[LocalizedLabelLanguageCode] = s.[LocalizedLabelLanguageCode]);
COMMIT TRANSACTION;
END');

IF OBJECT_ID(N'[crm].[hq_UpsertOptionSetMetadata]', N'P') IS NULL EXEC(N'CREATE PROCEDURE [crm].[hq_UpsertOptionSetMetadata] @List [crm].[hq_OptionSetMetadataList] READONLY AS
BEGIN
SET NOCOUNT ON;
SET XACT_ABORT ON;
BEGIN TRANSACTION;
UPDATE t SET [LocalizedLabel] = s.[LocalizedLabel] FROM [crm].[hq_OptionSetMetadata] AS t JOIN (SELECT l.[EntityName], l.[OptionSetName], l.[Option], l.[IsUserLocalizedLabel], l.[LocalizedLabelLanguageCode], l.[LocalizedLabel], ROW_NUMBER() OVER (PARTITION BY l.[EntityName], l.[OptionSetName], l.[Option], l.[IsUserLocalizedLabel], l.[LocalizedLabelLanguageCode] ORDER BY l.[LocalizedLabel] DESC) AS place FROM @List AS l) AS s ON t.[EntityName] = s.[EntityName] AND t.[OptionSetName] = s.[OptionSetName] AND t.[Option] = s.[Option] AND t.[IsUserLocalizedLabel] = s.[IsUserLocalizedLabel] AND t.[LocalizedLabelLanguageCode] = s.[LocalizedLabelLanguageCode] WHERE s.place = 1;
INSERT INTO [crm].[hq_OptionSetMetadata] ([EntityName], [OptionSetName], [Option], [IsUserLocalizedLabel], [LocalizedLabelLanguageCode], [LocalizedLabel]) SELECT s.[EntityName], s.[OptionSetName], s.[Option], s.[IsUserLocalizedLabel], s.[LocalizedLabelLanguageCode], s.[LocalizedLabel] FROM (SELECT l.[EntityName], l.[OptionSetName], l.[Option], l.[IsUserLocalizedLabel], l.[LocalizedLabelLanguageCode], l.[LocalizedLabel], ROW_NUMBER() OVER (PARTITION BY l.[EntityName], l.[OptionSetName], l.[Option], l.[IsUserLocalizedLabel], l.[LocalizedLabelLanguageCode] ORDER BY l.[LocalizedLabel] DESC) AS place FROM @List AS l) AS s WHERE s.place = 1 AND NOT EXISTS (SELECT 1 FROM [crm].[hq_OptionSetMetadata] AS t WHERE t.[EntityName] = s.[EntityName] AND t.[OptionSetName] = s.[OptionSetName] AND t.[Option] = s.[Option] AND t.[IsUserLocalizedLabel] = s.[IsUserLocalizedLabel] AND t.[LocalizedLabelLanguageCode] = s.[LocalizedLabelLanguageCode]);
COMMIT TRANSACTION;
END');

IF OBJECT_ID(N'[crm].[hq_UpsertStateMetadata]', N'P') IS NULL EXEC(N'CREATE PROCEDURE [crm].[hq_UpsertStateMetadata] @List [crm].[hq_StateMetadataList] READONLY AS
BEGIN
SET NOCOUNT ON;
SET XACT_ABORT ON;
BEGIN TRANSACTION;
UPDATE t SET [LocalizedLabel] = s.[LocalizedLabel] FROM [crm].[hq_StateMetadata] AS t JOIN (SELECT l.[EntityName], l.[State], l.[IsUserLocalizedLabel], l.[LocalizedLabelLanguageCode], l.[LocalizedLabel], ROW_NUMBER() OVER (PARTITION BY l.[EntityName], l.[State], l.[IsUserLocalizedLabel], l.[LocalizedLabelLanguageCode] ORDER BY l.[LocalizedLabel] DESC) AS place FROM @List AS l) AS s ON t.[EntityName] = s.[EntityName] AND t.[State] = s.[State] AND t.[IsUserLocalizedLabel] = s.[IsUserLocalizedLabel] AND t.[LocalizedLabelLanguageCode] = s.[LocalizedLabelLanguageCode] WHERE s.place = 1;
INSERT INTO [crm].[hq_StateMetadata] ([EntityName], [State], [IsUserLocalizedLabel], [LocalizedLabelLanguageCode], [LocalizedLabel]) SELECT s.[EntityName], s.[State], s.[IsUserLocalizedLabel], s.[LocalizedLabelLanguageCode], s.[LocalizedLabel] FROM (SELECT l.[EntityName], l.[State], l.[IsUserLocalizedLabel], l.[LocalizedLabelLanguageCode], l.[LocalizedLabel], ROW_NUMBER() OVER (PARTITION BY l.[EntityName], l.[State], l.[IsUserLocalizedLabel], l.[LocalizedLabelLanguageCode] ORDER BY l.[LocalizedLabel] DESC) AS place FROM @List AS l) AS s WHERE s.place = 1 AND NOT EXISTS (SELECT 1 FROM [crm].[hq_StateMetadata] AS t WHERE t.[EntityName] = s.[EntityName] AND t.[State] = s.[State] AND t.[IsUserLocalizedLabel] = s.[IsUserLocalizedLabel] AND t.[LocalizedLabelLanguageCode] = s.[LocalizedLabelLanguageCode]);
COMMIT TRANSACTION;
END');

IF OBJECT_ID(N'[crm].[hq_UpsertStatusMetadata]', N'P') IS NULL EXEC(N'CREATE PROCEDURE [crm].[hq_UpsertStatusMetadata] @List [crm].[hq_StatusMetadataList] READONLY AS
BEGIN
SET NOCOUNT ON;
SET XACT_ABORT ON;
BEGIN TRANSACTION;
UPDATE t SET [LocalizedLabel] = s.[LocalizedLabel] FROM [crm].[hq_StatusMetadata] AS t JOIN (SELECT l.[EntityName], l.[State], l.[Status], l.[IsUserLocalizedLabel], l.[LocalizedLabelLanguageCode], l.[LocalizedLabel], ROW_NUMBER() OVER (PARTITION BY l.[EntityName], l.[State], l.[Status], l.[IsUserLocalizedLabel], l.[LocalizedLabelLanguageCode] ORDER BY l.[LocalizedLabel] DESC) AS place FROM @List AS l) AS s ON t.[EntityName] = s.[EntityName] AND t.[State] = s.[State] AND t.[Status] = s.[Status] AND t.[IsUserLocalizedLabel] = s.[IsUserLocalizedLabel] AND t.[LocalizedLabelLanguageCode] = s.[LocalizedLabelLanguageCode] WHERE s.place = 1;
INSERT INTO [crm].[hq_StatusMetadata] ([EntityName], [State], [Status], [IsUserLocalizedLabel], [LocalizedLabelLanguageCode], [LocalizedLabel]) SELECT s.[EntityName], s.[State], s.[Status], s.[IsUserLocalizedLabel], s.[LocalizedLabelLanguageCode], s.[LocalizedLabel] FROM (SELECT l.[EntityName], l.[State], l.[Status], l.[IsUserLocalizedLabel], l.[LocalizedLabelLanguageCode], l.[LocalizedLabel], ROW_NUMBER() OVER (PARTITION BY l.[EntityName], l.[State], l.[Status], l.[IsUserLocalizedLabel], l.[LocalizedLabelLanguageCode] ORDER BY l.[LocalizedLabel] DESC) AS place FROM @List AS l) AS s WHERE s.place = 1 AND NOT EXISTS (SELECT 1 FROM [crm].[hq_StatusMetadata] AS t WHERE t.[EntityName] = s.[EntityName] AND t.[State] = s.[State] AND t.[Status] = s.[Status] AND t.[IsUserLocalizedLabel] = s.[IsUserLocalizedLabel] AND t.[LocalizedLabelLanguageCode] = s.[LocalizedLabelLanguageCode]);
COMMIT TRANSACTION;
END');

IF OBJECT_ID(N'[crm].[hq_UpsertTargetMetadata]', N'P') IS NULL EXEC(N'CREATE PROCEDURE [crm].[hq_UpsertTargetMetadata] @List [crm].[hq_TargetMetadataList] READONLY AS
BEGIN
SET NOCOUNT ON;
SET XACT_ABORT ON;
BEGIN TRANSACTION;
UPDATE t SET [ReferencedAttribute] = s.[ReferencedAttribute] FROM [crm].[hq_TargetMetadata] AS t JOIN (SELECT l.[EntityName], l.[AttributeName], l.[ReferencedEntity], l.[ReferencedAttribute], ROW_NUMBER() OVER (PARTITION BY l.[EntityName], l.[AttributeName], l.[ReferencedEntity] ORDER BY l.[ReferencedAttribute] DESC) AS place FROM @List AS l) AS s ON t.[EntityName] = s.[EntityName] AND t.[AttributeName] = s.[AttributeName] AND t.[ReferencedEntity] = s.[ReferencedEntity] WHERE s.place = 1;
INSERT INTO [crm].[hq_TargetMetadata] ([EntityName], [AttributeName], [ReferencedEntity], [ReferencedAttribute]) SELECT s.[EntityName], s.[AttributeName], s.[ReferencedEntity], s.[ReferencedAttribute] FROM (SELECT l.[EntityName], l.[AttributeName], l.[ReferencedEntity], l.[ReferencedAttribute], ROW_NUMBER() OVER (PARTITION BY l.[EntityName], l.[AttributeName], l.[ReferencedEntity] ORDER BY l.[ReferencedAttribute] DESC) AS place FROM @List AS l) AS s WHERE s.place = 1 AND NOT EXISTS (SELECT 1 FROM [crm].[hq_TargetMetadata] AS t WHERE t.[EntityName] = s.[EntityName] AND t.[AttributeName] = s.[AttributeName] AND t.[ReferencedEntity] = s.[ReferencedEntity]);
COMMIT TRANSACTION;
END');

