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

