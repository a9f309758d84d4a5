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

EXEC sp_executesql @drop;

DELETE o FROM [keepstep].[checkpoint] AS o WHERE o.profile = @profile;

DELETE o FROM [keepstep].[tombstone] AS o WHERE o.profile = @profile;

DELETE o FROM [keepstep].[held_change] AS o WHERE o.profile = @profile;

DELETE o FROM [keepstep].[request] AS o WHERE o.profile = @profile;

DELETE o FROM [keepstep].[lane_state] AS o WHERE o.profile = @profile;

DELETE o FROM [keepstep].[object_registry] AS o WHERE o.profile = @profile;

COMMIT TRANSACTION;

