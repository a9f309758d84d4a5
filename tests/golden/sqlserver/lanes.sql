SET XACT_ABORT ON; SET NOCOUNT ON; BEGIN TRANSACTION;
DELETE c FROM [keepstep].[checkpoint] AS c JOIN [keepstep].[checkpoint] AS a ON a.next_offset = c.next_offset WHERE c.profile = 'head-quarters' AND c.topic = N'it''s a \topic' AND c.[partition] = 3 AND c.entity <> N'' AND a.profile = 'head-quarters' AND a.topic = N'it''s a \topic' AND a.[partition] = 3 AND a.entity = N'';
UPDATE c SET owner = '00000000-0000-0000-0000-000000000007', updated_at = SYSUTCDATETIME() FROM [keepstep].[checkpoint] AS c WHERE c.profile = 'head-quarters' AND c.topic = N'it''s a \topic' AND c.[partition] = 3;
SELECT c.entity, c.next_offset, c.last_offset, c.last_timestamp_ms, c.last_length_bytes, c.last_crc FROM [keepstep].[checkpoint] AS c WHERE c.profile = 'head-quarters' AND c.topic = N'it''s a \topic' AND c.[partition] = 3 ORDER BY c.entity;
COMMIT TRANSACTION;
GO

SET XACT_ABORT ON; SET NOCOUNT ON; BEGIN TRANSACTION;
DECLARE @n TABLE (change_offset bigint NOT NULL, entity nvarchar(128) COLLATE Latin1_General_BIN2 NOT NULL, record_id uniqueidentifier NOT NULL, revision bigint NOT NULL);
INSERT INTO @n (change_offset, entity, record_id, revision) VALUES
(7, N'account', '00000000-0000-0000-0000-000000000001', 5),
(8, N'', '00000000-0000-0000-0000-000000000000', 6);
UPDATE h SET published = n.revision FROM [keepstep].[held_change] AS h JOIN @n AS n ON h.change_offset = n.change_offset AND h.entity = n.entity AND h.record_id = n.record_id WHERE h.profile = 'head-quarters' AND h.topic = N'it''s a \topic' AND h.[partition] = 3 AND (h.published IS NULL OR h.published < n.revision);
DELETE h FROM [keepstep].[held_change] AS h JOIN @n AS n ON h.change_offset = n.change_offset AND h.entity = n.entity AND h.record_id = n.record_id WHERE h.profile = 'head-quarters' AND h.topic = N'it''s a \topic' AND h.[partition] = 3 AND h.[open] = 0 AND h.published >= h.revision;
COMMIT TRANSACTION;
GO

SELECT TOP (100) h.change_offset, h.entity, h.record_id, h.version, h.cause, h.column_name, h.detail, h.attempt, h.held_at_us, h.revision, h.[open], h.published, h.creates FROM [keepstep].[held_change] AS h WHERE h.profile = 'head-quarters' AND h.topic = N'it''s a \topic' AND h.[partition] = 3 ORDER BY h.change_offset, h.entity, LOWER(CAST(h.record_id AS char(36))) COLLATE Latin1_General_BIN2;
GO

SELECT TOP (100) h.change_offset, h.entity, h.record_id, h.version, h.cause, h.column_name, h.detail, h.attempt, h.held_at_us, h.revision, h.[open], h.published, h.creates FROM [keepstep].[held_change] AS h WHERE h.profile = 'head-quarters' AND h.topic = N'it''s a \topic' AND h.[partition] = 3 AND h.unpublished = 1 AND (h.change_offset > 7 OR (h.change_offset = 7 AND (h.entity > N'account' OR (h.entity = N'account' AND LOWER(CAST(h.record_id AS char(36))) COLLATE Latin1_General_BIN2 > '00000000-0000-0000-0000-000000000001')))) ORDER BY h.change_offset, h.entity, LOWER(CAST(h.record_id AS char(36))) COLLATE Latin1_General_BIN2;
GO

