CREATE TABLE #keepstep_stage_1 (kind tinyint NOT NULL, id uniqueidentifier NOT NULL, version bigint NULL, record_offset bigint NULL, c0 nvarchar(160) COLLATE DATABASE_DEFAULT NULL);
GO

SET NOCOUNT ON; SET XACT_ABORT ON;
DECLARE @step int, @now datetime = GETUTCDATE(), @moment datetime2(3) = SYSUTCDATETIME(), @clock bigint, @n0 int, @n1 int, @n2 int, @n3 int, @n4 int, @n5 int, @n6 int, @n7 int, @n8 int, @n9 int;
BEGIN TRY
BEGIN TRANSACTION;
SET @step = 0;
UPDATE c SET next_offset = CASE c.entity WHEN N'' THEN @P5 WHEN N'lead' THEN @P6 END, last_offset = @P1, last_timestamp_ms = @P2, last_length_bytes = @P3, last_crc = @P4, updated_at = SYSUTCDATETIME() FROM [keepstep].[checkpoint] AS c WHERE c.profile = 'head-quarters' AND c.topic = N'it''s a \topic' AND c.[partition] = 3 AND c.owner = '00000000-0000-0000-0000-000000000007' AND ((c.entity = N'' AND c.next_offset = @P7) OR (c.entity = N'lead' AND c.next_offset = @P8));
IF @@ROWCOUNT <> 2 BEGIN ROLLBACK TRANSACTION; SELECT N'fenced' AS keepstep_answer; RETURN; END;
SET @step = 1;
DELETE t FROM #keepstep_stage_1 AS s JOIN [crm].[hq_acc'ount] AS t ON t.[Id] = s.id WHERE s.kind = 0 AND (t.[versionnumber] IS NULL OR t.[versionnumber] <= s.version) OPTION (LOOP JOIN, FORCE ORDER, KEEPFIXED PLAN);
SET @n1 = @@ROWCOUNT;
SET @step = 2;
INSERT INTO [keepstep].[tombstone] (profile, entity, record_id, version, topic, [partition], [offset], deleted_at) SELECT 'head-quarters', N'acc''ount', s.id, s.version, N'it''s a \topic', 3, s.record_offset, @moment FROM #keepstep_stage_1 AS s WHERE s.kind = 0 AND NOT EXISTS (SELECT 1 FROM [crm].[hq_acc'ount] AS e WHERE e.[Id] = s.id) AND NOT EXISTS (SELECT 1 FROM [keepstep].[tombstone] AS d WHERE d.record_id = s.id AND d.entity = N'acc''ount' AND d.profile = 'head-quarters') OPTION (LOOP JOIN, FORCE ORDER, KEEPFIXED PLAN);
SET @n2 = @@ROWCOUNT;
SET @step = 3;
IF @n2 < @P9
BEGIN
UPDATE d SET version = CASE WHEN d.version > s.version THEN d.version ELSE s.version END, topic = N'it''s a \topic', [partition] = 3, [offset] = s.record_offset, deleted_at = @moment FROM #keepstep_stage_1 AS s JOIN [keepstep].[tombstone] AS d ON d.record_id = s.id AND d.entity = N'acc''ount' AND d.profile = 'head-quarters' WHERE s.kind = 0 AND NOT EXISTS (SELECT 1 FROM [crm].[hq_acc'ount] AS e WHERE e.[Id] = s.id) AND NOT (d.[offset] = s.record_offset AND d.deleted_at = @moment AND d.[partition] = 3 AND d.topic = N'it''s a \topic') OPTION (LOOP JOIN, FORCE ORDER, KEEPFIXED PLAN);
SET @n3 = @@ROWCOUNT;
END;
SET @step = 4;
UPDATE t SET [SinkModifiedOn] = @now, [name] = s.c0, [description] = NULL, [statecode] = NULL, [importsequence] = NULL, [donotphone] = NULL, [createdon] = NULL, [revenue] = NULL, [ownerid] = NULL, [ownerid_entitytype] = NULL, [x]]; DROP TABLE y; --'] = NULL, [versionnumber] = s.version FROM #keepstep_stage_1 AS s JOIN [crm].[hq_acc'ount] AS t ON t.[Id] = s.id WHERE s.kind = 1 AND (t.[versionnumber] IS NULL OR t.[versionnumber] <= s.version) AND NOT EXISTS (SELECT 1 FROM [keepstep].[tombstone] AS d WHERE d.record_id = s.id AND d.entity = N'acc''ount' AND d.profile = 'head-quarters' AND d.version >= s.version) OPTION (LOOP JOIN, FORCE ORDER, KEEPFIXED PLAN);
SET @n4 = @@ROWCOUNT;
SET @step = 5;
INSERT INTO [crm].[hq_acc'ount] ([Id], [SinkCreatedOn], [SinkModifiedOn], [name], [description], [statecode], [importsequence], [donotphone], [createdon], [revenue], [ownerid], [ownerid_entitytype], [x]]; DROP TABLE y; --'], [versionnumber]) SELECT s.id, @now, @now, s.c0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, s.version FROM #keepstep_stage_1 AS s WHERE s.kind = 1 AND NOT EXISTS (SELECT 1 FROM [crm].[hq_acc'ount] AS e WHERE e.[Id] = s.id) AND NOT EXISTS (SELECT 1 FROM [keepstep].[tombstone] AS d WHERE d.record_id = s.id AND d.entity = N'acc''ount' AND d.profile = 'head-quarters' AND d.version >= s.version) OPTION (LOOP JOIN, FORCE ORDER, KEEPFIXED PLAN);
SET @n5 = @@ROWCOUNT;
SET @step = 6;
UPDATE t SET [SinkModifiedOn] = @now, [name] = s.c0, [statecode] = NULL, [versionnumber] = s.version FROM #keepstep_stage_1 AS s JOIN [crm].[hq_acc'ount] AS t ON t.[Id] = s.id WHERE s.kind IN (3, 4) AND (t.[versionnumber] IS NULL OR t.[versionnumber] < s.version) OPTION (LOOP JOIN, FORCE ORDER, KEEPFIXED PLAN);
SET @n6 = @@ROWCOUNT;
SET @step = 7;
IF @n6 < @P10 AND EXISTS (SELECT 1 FROM #keepstep_stage_1 AS s WHERE s.kind = 3 AND NOT EXISTS (SELECT 1 FROM [crm].[hq_acc'ount] AS e WHERE e.[Id] = s.id) AND NOT EXISTS (SELECT 1 FROM [keepstep].[tombstone] AS d WHERE d.record_id = s.id AND d.entity = N'acc''ount' AND d.profile = 'head-quarters'))
BEGIN ROLLBACK TRANSACTION; SELECT N'no_base' AS keepstep_answer, 0; RETURN; END;
SET @step = 8;
TRUNCATE TABLE #keepstep_stage_1;
SET @step = 9;
COMMIT TRANSACTION;
END TRY
BEGIN CATCH
IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION;
SELECT N'failed' AS keepstep_answer, @step, ERROR_NUMBER(), ERROR_SEVERITY(), ERROR_STATE();
RETURN;
END CATCH;
SELECT N'done' AS keepstep_answer, @n0, @n1, @n2, @n3, @n4, @n5, @n6, @n7, @n8, @n9;
GO

