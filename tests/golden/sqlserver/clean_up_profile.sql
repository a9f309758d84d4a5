SET ANSI_NULLS ON; SET ANSI_PADDING ON; SET ANSI_WARNINGS ON; SET ARITHABORT ON; SET CONCAT_NULL_YIELDS_NULL ON; SET QUOTED_IDENTIFIER ON; SET NUMERIC_ROUNDABORT OFF;

SET NOCOUNT ON; SET XACT_ABORT ON; BEGIN TRANSACTION;

DECLARE @profile varchar(64) = 'head-quarters'; DECLARE @drop nvarchar(max) = N'';

IF NOT EXISTS (SELECT 1 FROM [keepstep].[object_registry] AS r WHERE r.profile = @profile)
BEGIN
ROLLBACK TRANSACTION;
THROW 50000, N'keepstep: the registry knows no such table, so nothing is dropped', 1;
END;

SELECT @drop = @drop + ISNULL(STRING_AGG(CAST(N'DROP TYPE ' + QUOTENAME(r.table_schema) + N'.' + QUOTENAME(r.table_name + N'Type') + N'; ' AS nvarchar(max)), N''), N'') FROM [keepstep].[object_registry] AS r WHERE r.profile = @profile AND OBJECT_ID(QUOTENAME(r.table_schema) + N'.' + QUOTENAME(r.table_name), N'U') IS NOT NULL AND TYPE_ID(QUOTENAME(r.table_schema) + N'.' + QUOTENAME(r.table_name + N'Type')) IS NOT NULL;

SELECT @drop = @drop + ISNULL(STRING_AGG(CAST(N'DROP TYPE ' + QUOTENAME(r.table_schema) + N'.' + QUOTENAME(r.table_name + N'IdType') + N'; ' AS nvarchar(max)), N''), N'') FROM [keepstep].[object_registry] AS r WHERE r.profile = @profile AND OBJECT_ID(QUOTENAME(r.table_schema) + N'.' + QUOTENAME(r.table_name), N'U') IS NOT NULL AND TYPE_ID(QUOTENAME(r.table_schema) + N'.' + QUOTENAME(r.table_name + N'IdType')) IS NOT NULL;

SELECT @drop = @drop + ISNULL(STRING_AGG(CAST(N'DROP TABLE ' + QUOTENAME(r.table_schema) + N'.' + QUOTENAME(r.table_name) + N'; ' AS nvarchar(max)), N''), N'') FROM [keepstep].[object_registry] AS r WHERE r.profile = @profile AND OBJECT_ID(QUOTENAME(r.table_schema) + N'.' + QUOTENAME(r.table_name), N'U') IS NOT NULL;

IF NOT EXISTS (SELECT 1 FROM [keepstep].[object_registry] AS r WHERE r.profile <> @profile AND r.table_schema = N'crm' AND LEFT(r.table_name, 3) = N'hq_')
BEGIN
IF OBJECT_ID(N'[crm].[hq_UpsertAttributeMetadata]', N'P') IS NOT NULL DROP PROCEDURE [crm].[hq_UpsertAttributeMetadata];
IF OBJECT_ID(N'[crm].[hq_UpsertGlobalOptionSetMetadata]', N'P') IS NOT NULL DROP PROCEDURE [crm].[hq_UpsertGlobalOptionSetMetadata];
IF OBJECT_ID(N'[crm].[hq_UpsertOptionSetMetadata]', N'P') IS NOT NULL DROP PROCEDURE [crm].[hq_UpsertOptionSetMetadata];
IF OBJECT_ID(N'[crm].[hq_UpsertStateMetadata]', N'P') IS NOT NULL DROP PROCEDURE [crm].[hq_UpsertStateMetadata];
IF OBJECT_ID(N'[crm].[hq_UpsertStatusMetadata]', N'P') IS NOT NULL DROP PROCEDURE [crm].[hq_UpsertStatusMetadata];
IF OBJECT_ID(N'[crm].[hq_UpsertTargetMetadata]', N'P') IS NOT NULL DROP PROCEDURE [crm].[hq_UpsertTargetMetadata];
IF TYPE_ID(N'[crm].[hq_AttributeMetadataList]') IS NOT NULL DROP TYPE [crm].[hq_AttributeMetadataList];
IF TYPE_ID(N'[crm].[hq_OptionSetMetadataList]') IS NOT NULL DROP TYPE [crm].[hq_OptionSetMetadataList];
IF TYPE_ID(N'[crm].[hq_StateMetadataList]') IS NOT NULL DROP TYPE [crm].[hq_StateMetadataList];
IF TYPE_ID(N'[crm].[hq_StatusMetadataList]') IS NOT NULL DROP TYPE [crm].[hq_StatusMetadataList];
IF TYPE_ID(N'[crm].[hq_TargetMetadataList]') IS NOT NULL DROP TYPE [crm].[hq_TargetMetadataList];
IF OBJECT_ID(N'[crm].[hq_AttributeMetadata]', N'U') IS NOT NULL DROP TABLE [crm].[hq_AttributeMetadata];
IF OBJECT_ID(N'[crm].[hq_GlobalOptionSetMetadata]', N'U') IS NOT NULL DROP TABLE [crm].[hq_GlobalOptionSetMetadata];
IF OBJECT_ID(N'[crm].[hq_OptionSetMetadata]', N'U') IS NOT NULL DROP TABLE [crm].[hq_OptionSetMetadata];
IF OBJECT_ID(N'[crm].[hq_StateMetadata]', N'U') IS NOT NULL DROP TABLE [crm].[hq_StateMetadata];
IF OBJECT_ID(N'[crm].[hq_StatusMetadata]', N'U') IS NOT NULL DROP TABLE [crm].[hq_StatusMetadata];
IF OBJECT_ID(N'[crm].[hq_TargetMetadata]', N'U') IS NOT NULL DROP TABLE [crm].[hq_TargetMetadata];
IF OBJECT_ID(N'[crm].[hq_DeleteLog]', N'U') IS NOT NULL DROP TABLE [crm].[hq_DeleteLog];
END;

EXEC sp_executesql @drop;

DELETE o FROM [keepstep].[checkpoint] AS o WHERE o.profile = @profile;

DELETE o FROM [keepstep].[tombstone] AS o WHERE o.profile = @profile;

DELETE o FROM [keepstep].[held_change] AS o WHERE o.profile = @profile;

DELETE o FROM [keepstep].[request] AS o WHERE o.profile = @profile;

DELETE o FROM [keepstep].[lane_state] AS o WHERE o.profile = @profile;

DELETE o FROM [keepstep].[object_registry] AS o WHERE o.profile = @profile;

COMMIT TRANSACTION;

