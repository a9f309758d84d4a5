SET ANSI_NULLS ON; SET ANSI_PADDING ON; SET ANSI_WARNINGS ON; SET ARITHABORT ON; SET CONCAT_NULL_YIELDS_NULL ON; SET QUOTED_IDENTIFIER ON; SET NUMERIC_ROUNDABORT OFF;

SET NOCOUNT ON; SET XACT_ABORT ON; BEGIN TRANSACTION;

DECLARE @profile varchar(64) = 'head-quarters'; DECLARE @drop nvarchar(max) = N'';

DECLARE @entity nvarchar(128) = N'it''s_it''s_it''s_it''s_it''s_it''s_it''s_it''s_it''s_it''s_it''s_it''s_it''s_it''s_it''s_it''s_it''s_it''s_it''s_it''s_';

IF NOT EXISTS (SELECT 1 FROM [keepstep].[object_registry] AS r WHERE r.profile = @profile AND r.entity = @entity)
BEGIN
ROLLBACK TRANSACTION;
THROW 50000, N'keepstep: the registry knows no such table, so nothing is dropped', 1;
END;

SELECT @drop = @drop + ISNULL(STRING_AGG(CAST(N'DROP TYPE ' + QUOTENAME(r.table_schema) + N'.' + QUOTENAME(r.table_name + N'Type') + N'; ' AS nvarchar(max)), N''), N'') FROM [keepstep].[object_registry] AS r WHERE r.profile = @profile AND OBJECT_ID(QUOTENAME(r.table_schema) + N'.' + QUOTENAME(r.table_name), N'U') IS NOT NULL AND TYPE_ID(QUOTENAME(r.table_schema) + N'.' + QUOTENAME(r.table_name + N'Type')) IS NOT NULL AND r.entity = @entity;

SELECT @drop = @drop + ISNULL(STRING_AGG(CAST(N'DROP TYPE ' + QUOTENAME(r.table_schema) + N'.' + QUOTENAME(r.table_name + N'IdType') + N'; ' AS nvarchar(max)), N''), N'') FROM [keepstep].[object_registry] AS r WHERE r.profile = @profile AND OBJECT_ID(QUOTENAME(r.table_schema) + N'.' + QUOTENAME(r.table_name), N'U') IS NOT NULL AND TYPE_ID(QUOTENAME(r.table_schema) + N'.' + QUOTENAME(r.table_name + N'IdType')) IS NOT NULL AND r.entity = @entity;

SELECT @drop = @drop + ISNULL(STRING_AGG(CAST(N'DROP TABLE ' + QUOTENAME(r.table_schema) + N'.' + QUOTENAME(r.table_name) + N'; ' AS nvarchar(max)), N''), N'') FROM [keepstep].[object_registry] AS r WHERE r.profile = @profile AND OBJECT_ID(QUOTENAME(r.table_schema) + N'.' + QUOTENAME(r.table_name), N'U') IS NOT NULL AND r.entity = @entity;

EXEC sp_executesql @drop;

IF OBJECT_ID(N'[crm].[hq_AttributeMetadata]', N'U') IS NOT NULL DELETE m FROM [crm].[hq_AttributeMetadata] AS m WHERE m.[EntityName] = @entity;

IF OBJECT_ID(N'[crm].[hq_OptionSetMetadata]', N'U') IS NOT NULL DELETE m FROM [crm].[hq_OptionSetMetadata] AS m WHERE m.[EntityName] = @entity;

IF OBJECT_ID(N'[crm].[hq_StateMetadata]', N'U') IS NOT NULL DELETE m FROM [crm].[hq_StateMetadata] AS m WHERE m.[EntityName] = @entity;

IF OBJECT_ID(N'[crm].[hq_StatusMetadata]', N'U') IS NOT NULL DELETE m FROM [crm].[hq_StatusMetadata] AS m WHERE m.[EntityName] = @entity;

IF OBJECT_ID(N'[crm].[hq_TargetMetadata]', N'U') IS NOT NULL DELETE m FROM [crm].[hq_TargetMetadata] AS m WHERE m.[EntityName] = @entity;

DELETE o FROM [keepstep].[checkpoint] AS o WHERE o.profile = @profile AND o.entity = @entity;

DELETE o FROM [keepstep].[tombstone] AS o WHERE o.profile = @profile AND o.entity = @entity;

DELETE o FROM [keepstep].[held_change] AS o WHERE o.profile = @profile AND o.entity = @entity;

DELETE o FROM [keepstep].[object_registry] AS o WHERE o.profile = @profile AND o.entity = @entity;

COMMIT TRANSACTION;

