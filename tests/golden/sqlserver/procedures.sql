CREATE PROCEDURE [crm].[hq_UpsertAttributeMetadata] @List [crm].[hq_AttributeMetadataList] READONLY AS
BEGIN
SET NOCOUNT ON;
SET XACT_ABORT ON;
BEGIN TRANSACTION;
UPDATE t SET [AttributeType] = s.[AttributeType], [AttributeTypeCode] = s.[AttributeTypeCode], [Version] = s.[Version], [Timestamp] = s.[Timestamp], [MetadataId] = s.[MetadataId], [Precision] = s.[Precision] FROM [crm].[hq_AttributeMetadata] AS t JOIN (SELECT l.[EntityName], l.[AttributeName], l.[AttributeType], l.[AttributeTypeCode], l.[Version], l.[Timestamp], l.[MetadataId], l.[Precision], ROW_NUMBER() OVER (PARTITION BY l.[EntityName], l.[AttributeName] ORDER BY l.[Version] DESC) AS place FROM @List AS l) AS s ON t.[EntityName] = s.[EntityName] AND t.[AttributeName] = s.[AttributeName] WHERE s.place = 1;
INSERT INTO [crm].[hq_AttributeMetadata] ([EntityName], [AttributeName], [AttributeType], [AttributeTypeCode], [Version], [Timestamp], [MetadataId], [Precision]) SELECT s.[EntityName], s.[AttributeName], s.[AttributeType], s.[AttributeTypeCode], s.[Version], s.[Timestamp], s.[MetadataId], s.[Precision] FROM (SELECT l.[EntityName], l.[AttributeName], l.[AttributeType], l.[AttributeTypeCode], l.[Version], l.[Timestamp], l.[MetadataId], l.[Precision], ROW_NUMBER() OVER (PARTITION BY l.[EntityName], l.[AttributeName] ORDER BY l.[Version] DESC) AS place FROM @List AS l) AS s WHERE s.place = 1 AND NOT EXISTS (SELECT 1 FROM [crm].[hq_AttributeMetadata] AS t WHERE t.[EntityName] = s.[EntityName] AND t.[AttributeName] = s.[AttributeName]);
COMMIT TRANSACTION;
END;
GO

CREATE PROCEDURE [crm].[hq_UpsertGlobalOptionSetMetadata] @List [crm].[hq_OptionSetMetadataList] READONLY AS
BEGIN
SET NOCOUNT ON;
SET XACT_ABORT ON;
BEGIN TRANSACTION;
UPDATE t SET [LocalizedLabel] = s.[LocalizedLabel] FROM [crm].[hq_GlobalOptionSetMetadata] AS t JOIN (SELECT l.[OptionSetName], l.[Option], l.[IsUserLocalizedLabel], l.[LocalizedLabelLanguageCode], l.[LocalizedLabel], ROW_NUMBER() OVER (PARTITION BY l.[OptionSetName], l.[Option], l.[IsUserLocalizedLabel], l.[LocalizedLabelLanguageCode] ORDER BY l.[LocalizedLabel] DESC) AS place FROM @List AS l) AS s ON t.[OptionSetName] = s.[OptionSetName] AND t.[Option] = s.[Option] AND t.[IsUserLocalizedLabel] = s.[IsUserLocalizedLabel] AND t.[LocalizedLabelLanguageCode] = s.[LocalizedLabelLanguageCode] WHERE s.place = 1;
INSERT INTO [crm].[hq_GlobalOptionSetMetadata] ([OptionSetName], [Option], [IsUserLocalizedLabel], [LocalizedLabelLanguageCode], [LocalizedLabel]) SELECT s.[OptionSetName], s.[Option], s.[IsUserLocalizedLabel], s.[LocalizedLabelLanguageCode], s.[LocalizedLabel] FROM (SELECT l.[OptionSetName], l.[Option], l.[IsUserLocalizedLabel], l.[LocalizedLabelLanguageCode], l.[LocalizedLabel], ROW_NUMBER() OVER (PARTITION BY l.[OptionSetName], l.[Option], l.[IsUserLocalizedLabel], l.[LocalizedLabelLanguageCode] ORDER BY l.[LocalizedLabel] DESC) AS place FROM @List AS l) AS s WHERE s.place = 1 AND NOT EXISTS (SELECT 1 FROM [crm].[hq_GlobalOptionSetMetadata] AS t WHERE t.[OptionSetName] = s.[OptionSetName] AND t.[Option] = s.[Option] AND t.[IsUserLocalizedLabel] = s.[IsUserLocalizedLabel] AND t.[LocalizedLabelLanguageCode] = s.[LocalizedLabelLanguageCode]);
COMMIT TRANSACTION;
END;
GO

CREATE PROCEDURE [crm].[hq_UpsertOptionSetMetadata] @List [crm].[hq_OptionSetMetadataList] READONLY AS
BEGIN
SET NOCOUNT ON;
SET XACT_ABORT ON;
BEGIN TRANSACTION;
UPDATE t SET [LocalizedLabel] = s.[LocalizedLabel] FROM [crm].[hq_OptionSetMetadata] AS t JOIN (SELECT l.[EntityName], l.[OptionSetName], l.[Option], l.[IsUserLocalizedLabel], l.[LocalizedLabelLanguageCode], l.[LocalizedLabel], ROW_NUMBER() OVER (PARTITION BY l.[EntityName], l.[OptionSetName], l.[Option], l.[IsUserLocalizedLabel], l.[LocalizedLabelLanguageCode] ORDER BY l.[LocalizedLabel] DESC) AS place FROM @List AS l) AS s ON t.[EntityName] = s.[EntityName] AND t.[OptionSetName] = s.[OptionSetName] AND t.[Option] = s.[Option] AND t.[IsUserLocalizedLabel] = s.[IsUserLocalizedLabel] AND t.[LocalizedLabelLanguageCode] = s.[LocalizedLabelLanguageCode] WHERE s.place = 1;
INSERT INTO [crm].[hq_OptionSetMetadata] ([EntityName], [OptionSetName], [Option], [IsUserLocalizedLabel], [LocalizedLabelLanguageCode], [LocalizedLabel]) SELECT s.[EntityName], s.[OptionSetName], s.[Option], s.[IsUserLocalizedLabel], s.[LocalizedLabelLanguageCode], s.[LocalizedLabel] FROM (SELECT l.[EntityName], l.[OptionSetName], l.[Option], l.[IsUserLocalizedLabel], l.[LocalizedLabelLanguageCode], l.[LocalizedLabel], ROW_NUMBER() OVER (PARTITION BY l.[EntityName], l.[OptionSetName], l.[Option], l.[IsUserLocalizedLabel], l.[LocalizedLabelLanguageCode] ORDER BY l.[LocalizedLabel] DESC) AS place FROM @List AS l) AS s WHERE s.place = 1 AND NOT EXISTS (SELECT 1 FROM [crm].[hq_OptionSetMetadata] AS t WHERE t.[EntityName] = s.[EntityName] AND t.[OptionSetName] = s.[OptionSetName] AND t.[Option] = s.[Option] AND t.[IsUserLocalizedLabel] = s.[IsUserLocalizedLabel] AND t.[LocalizedLabelLanguageCode] = s.[LocalizedLabelLanguageCode]);
COMMIT TRANSACTION;
END;
GO

CREATE PROCEDURE [crm].[hq_UpsertStateMetadata] @List [crm].[hq_StateMetadataList] READONLY AS
BEGIN
SET NOCOUNT ON;
SET XACT_ABORT ON;
BEGIN TRANSACTION;
UPDATE t SET [LocalizedLabel] = s.[LocalizedLabel] FROM [crm].[hq_StateMetadata] AS t JOIN (SELECT l.[EntityName], l.[State], l.[IsUserLocalizedLabel], l.[LocalizedLabelLanguageCode], l.[LocalizedLabel], ROW_NUMBER() OVER (PARTITION BY l.[EntityName], l.[State], l.[IsUserLocalizedLabel], l.[LocalizedLabelLanguageCode] ORDER BY l.[LocalizedLabel] DESC) AS place FROM @List AS l) AS s ON t.[EntityName] = s.[EntityName] AND t.[State] = s.[State] AND t.[IsUserLocalizedLabel] = s.[IsUserLocalizedLabel] AND t.[LocalizedLabelLanguageCode] = s.[LocalizedLabelLanguageCode] WHERE s.place = 1;
INSERT INTO [crm].[hq_StateMetadata] ([EntityName], [State], [IsUserLocalizedLabel], [LocalizedLabelLanguageCode], [LocalizedLabel]) SELECT s.[EntityName], s.[State], s.[IsUserLocalizedLabel], s.[LocalizedLabelLanguageCode], s.[LocalizedLabel] FROM (SELECT l.[EntityName], l.[State], l.[IsUserLocalizedLabel], l.[LocalizedLabelLanguageCode], l.[LocalizedLabel], ROW_NUMBER() OVER (PARTITION BY l.[EntityName], l.[State], l.[IsUserLocalizedLabel], l.[LocalizedLabelLanguageCode] ORDER BY l.[LocalizedLabel] DESC) AS place FROM @List AS l) AS s WHERE s.place = 1 AND NOT EXISTS (SELECT 1 FROM [crm].[hq_StateMetadata] AS t WHERE t.[EntityName] = s.[EntityName] AND t.[State] = s.[State] AND t.[IsUserLocalizedLabel] = s.[IsUserLocalizedLabel] AND t.[LocalizedLabelLanguageCode] = s.[LocalizedLabelLanguageCode]);
COMMIT TRANSACTION;
END;
GO

CREATE PROCEDURE [crm].[hq_UpsertStatusMetadata] @List [crm].[hq_StatusMetadataList] READONLY AS
BEGIN
SET NOCOUNT ON;
SET XACT_ABORT ON;
BEGIN TRANSACTION;
UPDATE t SET [LocalizedLabel] = s.[LocalizedLabel] FROM [crm].[hq_StatusMetadata] AS t JOIN (SELECT l.[EntityName], l.[State], l.[Status], l.[IsUserLocalizedLabel], l.[LocalizedLabelLanguageCode], l.[LocalizedLabel], ROW_NUMBER() OVER (PARTITION BY l.[EntityName], l.[State], l.[Status], l.[IsUserLocalizedLabel], l.[LocalizedLabelLanguageCode] ORDER BY l.[LocalizedLabel] DESC) AS place FROM @List AS l) AS s ON t.[EntityName] = s.[EntityName] AND t.[State] = s.[State] AND t.[Status] = s.[Status] AND t.[IsUserLocalizedLabel] = s.[IsUserLocalizedLabel] AND t.[LocalizedLabelLanguageCode] = s.[LocalizedLabelLanguageCode] WHERE s.place = 1;
INSERT INTO [crm].[hq_StatusMetadata] ([EntityName], [State], [Status], [IsUserLocalizedLabel], [LocalizedLabelLanguageCode], [LocalizedLabel]) SELECT s.[EntityName], s.[State], s.[Status], s.[IsUserLocalizedLabel], s.[LocalizedLabelLanguageCode], s.[LocalizedLabel] FROM (SELECT l.[EntityName], l.[State], l.[Status], l.[IsUserLocalizedLabel], l.[LocalizedLabelLanguageCode], l.[LocalizedLabel], ROW_NUMBER() OVER (PARTITION BY l.[EntityName], l.[State], l.[Status], l.[IsUserLocalizedLabel], l.[LocalizedLabelLanguageCode] ORDER BY l.[LocalizedLabel] DESC) AS place FROM @List AS l) AS s WHERE s.place = 1 AND NOT EXISTS (SELECT 1 FROM [crm].[hq_StatusMetadata] AS t WHERE t.[EntityName] = s.[EntityName] AND t.[State] = s.[State] AND t.[Status] = s.[Status] AND t.[IsUserLocalizedLabel] = s.[IsUserLocalizedLabel] AND t.[LocalizedLabelLanguageCode] = s.[LocalizedLabelLanguageCode]);
COMMIT TRANSACTION;
END;
GO

CREATE PROCEDURE [crm].[hq_UpsertTargetMetadata] @List [crm].[hq_TargetMetadataList] READONLY AS
BEGIN
SET NOCOUNT ON;
SET XACT_ABORT ON;
BEGIN TRANSACTION;
UPDATE t SET [ReferencedAttribute] = s.[ReferencedAttribute] FROM [crm].[hq_TargetMetadata] AS t JOIN (SELECT l.[EntityName], l.[AttributeName], l.[ReferencedEntity], l.[ReferencedAttribute], ROW_NUMBER() OVER (PARTITION BY l.[EntityName], l.[AttributeName], l.[ReferencedEntity] ORDER BY l.[ReferencedAttribute] DESC) AS place FROM @List AS l) AS s ON t.[EntityName] = s.[EntityName] AND t.[AttributeName] = s.[AttributeName] AND t.[ReferencedEntity] = s.[ReferencedEntity] WHERE s.place = 1;
INSERT INTO [crm].[hq_TargetMetadata] ([EntityName], [AttributeName], [ReferencedEntity], [ReferencedAttribute]) SELECT s.[EntityName], s.[AttributeName], s.[ReferencedEntity], s.[ReferencedAttribute] FROM (SELECT l.[EntityName], l.[AttributeName], l.[ReferencedEntity], l.[ReferencedAttribute], ROW_NUMBER() OVER (PARTITION BY l.[EntityName], l.[AttributeName], l.[ReferencedEntity] ORDER BY l.[ReferencedAttribute] DESC) AS place FROM @List AS l) AS s WHERE s.place = 1 AND NOT EXISTS (SELECT 1 FROM [crm].[hq_TargetMetadata] AS t WHERE t.[EntityName] = s.[EntityName] AND t.[AttributeName] = s.[AttributeName] AND t.[ReferencedEntity] = s.[ReferencedEntity]);
COMMIT TRANSACTION;
END;
GO

