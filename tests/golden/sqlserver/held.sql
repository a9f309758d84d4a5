SET NOCOUNT ON; SET XACT_ABORT ON;
DECLARE @step int, @now datetime = GETUTCDATE(), @moment datetime2(3) = SYSUTCDATETIME(), @clock bigint, @n0 int, @n1 int, @n2 int, @n3 int, @n4 int;
DECLARE @holds TABLE (change_offset bigint NOT NULL, entity nvarchar(128) COLLATE Latin1_General_BIN2 NOT NULL, record_id uniqueidentifier NOT NULL, version bigint NULL, cause nvarchar(128) NOT NULL, column_name nvarchar(max) NULL, detail nvarchar(max) NOT NULL, attempt bigint NOT NULL, creates bit NOT NULL);
INSERT INTO @holds VALUES
(7, N'account', '00000000-0000-0000-0000-000000000001', -3, N'text_has_nul', N'it''s a \', N'text holds the character U+0000', 2, 1),
(8, N'', '00000000-0000-0000-0000-000000000000', NULL, N'waits', NULL, N'an earlier change of the record is held', 2, 1);
DECLARE @releases TABLE (change_offset bigint NOT NULL, entity nvarchar(128) COLLATE Latin1_General_BIN2 NOT NULL, record_id uniqueidentifier NOT NULL, cause nvarchar(128) NOT NULL);
INSERT INTO @releases VALUES
(7, N'account', '00000000-0000-0000-0000-000000000001', N'superseded');
BEGIN TRY
BEGIN TRANSACTION;
SET @step = 0;
UPDATE c SET next_offset = CASE c.entity WHEN N'' THEN @P5 WHEN N'lead' THEN @P6 END, last_offset = @P1, last_timestamp_ms = @P2, last_length_bytes = @P3, last_crc = @P4, updated_at = SYSUTCDATETIME() FROM [keepstep].[checkpoint] AS c WHERE c.profile = 'head-quarters' AND c.topic = N'it''s a \topic' AND c.[partition] = 3 AND c.owner = '00000000-0000-0000-0000-000000000007' AND ((c.entity = N'' AND c.next_offset = @P7) OR (c.entity = N'lead' AND c.next_offset = @P8));
IF @@ROWCOUNT <> 2 BEGIN ROLLBACK TRANSACTION; SELECT N'fenced' AS keepstep_answer; RETURN; END;
SET @step = 1;
SET @clock = DATEDIFF_BIG(microsecond, '19700101', SYSUTCDATETIME());
UPDATE h SET version = n.version, cause = n.cause, column_name = n.column_name, detail = n.detail, attempt = n.attempt, revision = CASE WHEN h.revision >= @clock THEN h.revision + 1 ELSE @clock END, [open] = 1, creates = n.creates FROM @holds AS n JOIN [keepstep].[held_change] AS h ON h.change_offset = n.change_offset AND h.entity = n.entity AND h.record_id = n.record_id WHERE h.profile = 'head-quarters' AND h.topic = N'it''s a \topic' AND h.[partition] = 3;
SET @n1 = @@ROWCOUNT;
SET @step = 2;
INSERT INTO [keepstep].[held_change] (profile, topic, [partition], change_offset, entity, record_id, version, cause, column_name, detail, attempt, held_at_us, revision, [open], creates) SELECT 'head-quarters', N'it''s a \topic', 3, n.change_offset, n.entity, n.record_id, n.version, n.cause, n.column_name, n.detail, n.attempt, @clock, @clock, 1, n.creates FROM @holds AS n WHERE NOT EXISTS (SELECT 1 FROM [keepstep].[held_change] AS h WHERE h.profile = 'head-quarters' AND h.topic = N'it''s a \topic' AND h.[partition] = 3 AND h.change_offset = n.change_offset AND h.entity = n.entity AND h.record_id = n.record_id);
SET @n2 = @@ROWCOUNT;
SET @step = 3;
SET @clock = DATEDIFF_BIG(microsecond, '19700101', SYSUTCDATETIME());
UPDATE h SET [open] = 0, cause = n.cause, column_name = NULL, detail = N'', revision = CASE WHEN h.revision >= @clock THEN h.revision + 1 ELSE @clock END FROM @releases AS n JOIN [keepstep].[held_change] AS h ON h.change_offset = n.change_offset AND h.entity = n.entity AND h.record_id = n.record_id WHERE h.profile = 'head-quarters' AND h.topic = N'it''s a \topic' AND h.[partition] = 3 AND h.[open] = 1;
SET @n3 = @@ROWCOUNT;
SET @step = 4;
COMMIT TRANSACTION;
END TRY
BEGIN CATCH
IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION;
SELECT N'failed' AS keepstep_answer, @step, ERROR_NUMBER(), ERROR_SEVERITY(), ERROR_STATE();
RETURN;
END CATCH;
SELECT N'done' AS keepstep_answer, @n0, @n1, @n2, @n3, @n4;
GO

SET NOCOUNT ON; SET XACT_ABORT ON;
DECLARE @step int, @now datetime = GETUTCDATE(), @moment datetime2(3) = SYSUTCDATETIME(), @clock bigint, @n0 int, @n1 int, @n2 int, @n3 int, @n4 int;
DECLARE @holds TABLE (change_offset bigint NOT NULL, entity nvarchar(128) COLLATE Latin1_General_BIN2 NOT NULL, record_id uniqueidentifier NOT NULL, version bigint NULL, cause nvarchar(128) NOT NULL, column_name nvarchar(max) NULL, detail nvarchar(max) NOT NULL, attempt bigint NOT NULL, creates bit NOT NULL);
INSERT INTO @holds VALUES
(7, N'account', '00000000-0000-0000-0000-000000000001', -3, N'text_has_nul', N'it''s a \', N'text holds the character U+0000', 2, 1),
(8, N'', '00000000-0000-0000-0000-000000000000', NULL, N'waits', NULL, N'an earlier change of the record is held', 2, 1);
DECLARE @releases TABLE (change_offset bigint NOT NULL, entity nvarchar(128) COLLATE Latin1_General_BIN2 NOT NULL, record_id uniqueidentifier NOT NULL, cause nvarchar(128) NOT NULL);
INSERT INTO @releases VALUES
(7, N'account', '00000000-0000-0000-0000-000000000001', N'superseded');
BEGIN TRY
BEGIN TRANSACTION;
SET @step = 0;
UPDATE c SET next_offset = CASE c.entity WHEN N'' THEN @P5 WHEN N'lead' THEN @P6 END, last_offset = @P1, last_timestamp_ms = @P2, last_length_bytes = @P3, last_crc = @P4, updated_at = SYSUTCDATETIME() FROM [keepstep].[checkpoint] AS c WHERE c.profile = 'head-quarters' AND c.topic = N'it''s a \topic' AND c.[partition] = 3 AND c.owner = '00000000-0000-0000-0000-000000000007' AND ((c.entity = N'' AND c.next_offset = @P7) OR (c.entity = N'lead' AND c.next_offset = @P8));
IF @@ROWCOUNT <> 2 BEGIN ROLLBACK TRANSACTION; SELECT N'fenced' AS keepstep_answer; RETURN; END;
SET @step = 1;
SET @clock = DATEDIFF_BIG(microsecond, '19700101', SYSUTCDATETIME());
UPDATE h SET version = n.version, cause = n.cause, column_name = n.column_name, detail = n.detail, attempt = n.attempt, revision = CASE WHEN h.revision >= @clock THEN h.revision + 1 ELSE @clock END, [open] = 1, creates = n.creates FROM @holds AS n JOIN [keepstep].[held_change] AS h ON h.change_offset = n.change_offset AND h.entity = n.entity AND h.record_id = n.record_id WHERE h.profile = 'head-quarters' AND h.topic = N'it''s a \topic' AND h.[partition] = 3;
SET @n1 = @@ROWCOUNT;
SET @step = 2;
INSERT INTO [keepstep].[held_change] (profile, topic, [partition], change_offset, entity, record_id, version, cause, column_name, detail, attempt, held_at_us, revision, [open], creates) SELECT 'head-quarters', N'it''s a \topic', 3, n.change_offset, n.entity, n.record_id, n.version, n.cause, n.column_name, n.detail, n.attempt, @clock, @clock, 1, n.creates FROM @holds AS n WHERE NOT EXISTS (SELECT 1 FROM [keepstep].[held_change] AS h WHERE h.profile = 'head-quarters' AND h.topic = N'it''s a \topic' AND h.[partition] = 3 AND h.change_offset = n.change_offset AND h.entity = n.entity AND h.record_id = n.record_id);
SET @n2 = @@ROWCOUNT;
SET @step = 3;
SET @clock = DATEDIFF_BIG(microsecond, '19700101', SYSUTCDATETIME());
UPDATE h SET [open] = 0, cause = n.cause, column_name = NULL, detail = N'', revision = CASE WHEN h.revision >= @clock THEN h.revision + 1 ELSE @clock END FROM @releases AS n JOIN [keepstep].[held_change] AS h ON h.change_offset = n.change_offset AND h.entity = n.entity AND h.record_id = n.record_id WHERE h.profile = 'head-quarters' AND h.topic = N'it''s a \topic' AND h.[partition] = 3 AND h.[open] = 1;
SET @n3 = @@ROWCOUNT;
SET @step = 4;
ROLLBACK TRANSACTION;
END TRY
BEGIN CATCH
IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION;
SELECT N'failed' AS keepstep_answer, @step, ERROR_NUMBER(), ERROR_SEVERITY(), ERROR_STATE();
RETURN;
END CATCH;
SELECT N'done' AS keepstep_answer, @n0, @n1, @n2, @n3, @n4;
GO

