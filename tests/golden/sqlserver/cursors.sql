SET NOCOUNT ON; SET XACT_ABORT ON;
DECLARE @step int, @now datetime = GETUTCDATE(), @moment datetime2(3) = SYSUTCDATETIME(), @clock bigint, @n0 int, @n1 int;
BEGIN TRY
BEGIN TRANSACTION;
SET @step = 0;
UPDATE c SET next_offset = CASE c.entity WHEN N'' THEN @P5 WHEN N'lead' THEN @P6 END, last_offset = @P1, last_timestamp_ms = @P2, last_length_bytes = @P3, last_crc = @P4, updated_at = SYSUTCDATETIME() FROM [keepstep].[checkpoint] AS c WHERE c.profile = 'head-quarters' AND c.topic = N'it''s a \topic' AND c.[partition] = 3 AND c.owner = '00000000-0000-0000-0000-000000000007' AND ((c.entity = N'' AND c.next_offset = @P7) OR (c.entity = N'lead' AND c.next_offset = @P8));
IF @@ROWCOUNT <> 2 BEGIN ROLLBACK TRANSACTION; SELECT N'fenced' AS keepstep_answer; RETURN; END;
SET @step = 1;
COMMIT TRANSACTION;
END TRY
BEGIN CATCH
IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION;
SELECT N'failed' AS keepstep_answer, @step, ERROR_NUMBER(), ERROR_SEVERITY(), ERROR_STATE();
RETURN;
END CATCH;
SELECT N'done' AS keepstep_answer, @n0, @n1;
GO

SET NOCOUNT ON; SET XACT_ABORT ON;
DECLARE @step int, @now datetime = GETUTCDATE(), @moment datetime2(3) = SYSUTCDATETIME(), @clock bigint, @n0 int, @n1 int, @n2 int, @n3 int;
DECLARE @last_offset bigint, @last_timestamp_ms bigint, @last_length_bytes bigint, @last_crc bigint;
SELECT @last_offset = a.last_offset, @last_timestamp_ms = a.last_timestamp_ms, @last_length_bytes = a.last_length_bytes, @last_crc = a.last_crc FROM [keepstep].[checkpoint] AS a WHERE a.profile = 'head-quarters' AND a.topic = N'it''s a \topic' AND a.[partition] = 3 AND a.entity = N'';
BEGIN TRY
BEGIN TRANSACTION;
SET @step = 0;
UPDATE c SET next_offset = CASE c.entity WHEN N'' THEN @P5 WHEN N'lead' THEN @P6 END, last_offset = @P1, last_timestamp_ms = @P2, last_length_bytes = @P3, last_crc = @P4, updated_at = SYSUTCDATETIME() FROM [keepstep].[checkpoint] AS c WHERE c.profile = 'head-quarters' AND c.topic = N'it''s a \topic' AND c.[partition] = 3 AND c.owner = '00000000-0000-0000-0000-000000000007' AND ((c.entity = N'' AND c.next_offset = @P7) OR (c.entity = N'lead' AND c.next_offset = @P8));
IF @@ROWCOUNT <> 2 BEGIN ROLLBACK TRANSACTION; SELECT N'fenced' AS keepstep_answer; RETURN; END;
SET @step = 1;
UPDATE c SET next_offset = @P9, owner = '00000000-0000-0000-0000-000000000007', last_offset = @last_offset, last_timestamp_ms = @last_timestamp_ms, last_length_bytes = @last_length_bytes, last_crc = @last_crc, updated_at = SYSUTCDATETIME() FROM [keepstep].[checkpoint] AS c WHERE c.profile = 'head-quarters' AND c.topic = N'it''s a \topic' AND c.[partition] = 3 AND c.entity = N'it''s';
SET @n1 = @@ROWCOUNT;
SET @step = 2;
INSERT INTO [keepstep].[checkpoint] (profile, topic, [partition], entity, next_offset, owner, last_offset, last_timestamp_ms, last_length_bytes, last_crc) SELECT 'head-quarters', N'it''s a \topic', 3, N'it''s', @P9, '00000000-0000-0000-0000-000000000007', @last_offset, @last_timestamp_ms, @last_length_bytes, @last_crc WHERE NOT EXISTS (SELECT 1 FROM [keepstep].[checkpoint] AS c WHERE c.profile = 'head-quarters' AND c.topic = N'it''s a \topic' AND c.[partition] = 3 AND c.entity = N'it''s');
SET @n2 = @@ROWCOUNT;
SET @step = 3;
ROLLBACK TRANSACTION;
END TRY
BEGIN CATCH
IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION;
SELECT N'failed' AS keepstep_answer, @step, ERROR_NUMBER(), ERROR_SEVERITY(), ERROR_STATE();
RETURN;
END CATCH;
SELECT N'done' AS keepstep_answer, @n0, @n1, @n2, @n3;
GO

SELECT CASE WHEN COUNT(*) = 2 THEN N'done' ELSE N'fenced' END AS keepstep_answer FROM [keepstep].[checkpoint] AS c WHERE c.profile = 'head-quarters' AND c.topic = N'it''s a \topic' AND c.[partition] = 3 AND c.owner = '00000000-0000-0000-0000-000000000007' AND ((c.entity = N'' AND c.next_offset = @P1) OR (c.entity = N'lead' AND c.next_offset = @P2));
GO

