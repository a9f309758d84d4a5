SET XACT_ABORT ON; SET NOCOUNT ON; BEGIN TRANSACTION;
DECLARE @turn int; EXEC @turn = sp_getapplock @Resource = N'keepstep.request', @LockMode = N'Exclusive', @LockOwner = N'Transaction', @LockTimeout = 5000; SELECT @turn AS turn;
IF @turn < 0
BEGIN
ROLLBACK TRANSACTION;
RETURN;
END;
DECLARE @now_us bigint = DATEDIFF_BIG(microsecond, '19700101', SYSUTCDATETIME());
DECLARE @n TABLE (id uniqueidentifier NOT NULL, topic nvarchar(249) COLLATE Latin1_General_BIN2 NOT NULL, [partition] int NOT NULL, body nvarchar(max) NOT NULL, state varchar(16) COLLATE Latin1_General_BIN2 NOT NULL, progress nvarchar(max) NOT NULL);
INSERT INTO @n (id, topic, [partition], body, state, progress) VALUES
('00000000-0000-0000-0000-000000000001', N'it''s a \topic', 3, N'{"it''s": "\\"}', 'asked', N''),
('00000000-0000-0000-0000-000000000002', N'it''s a \topic', 3, N'{"it''s": "\\"}', 'asked', N'');
INSERT INTO [keepstep].[request] (id, profile, topic, [partition], body, state, progress, asked_at_us, updated_at_us) SELECT n.id, 'head-quarters', n.topic, n.[partition], n.body, n.state, n.progress, @now_us, @now_us FROM @n AS n WHERE NOT EXISTS (SELECT 1 FROM [keepstep].[request] AS r WHERE r.id = n.id AND r.topic = n.topic AND r.[partition] = n.[partition]);
DECLARE @open int = (SELECT COUNT(*) FROM [keepstep].[request] AS r WHERE r.profile = 'head-quarters' AND r.state NOT IN ('done', 'stopped', 'refused'));
IF @open > 10000
BEGIN
ROLLBACK TRANSACTION;
SELECT 0 AS fits;
RETURN;
END;
DELETE r FROM [keepstep].[request] AS r WHERE r.profile = 'head-quarters' AND r.state IN ('done', 'stopped', 'refused') AND r.updated_at_us < @now_us - 2592000000000;
COMMIT TRANSACTION;
SELECT 1 AS fits;
GO

SELECT r.id, r.profile, r.topic, r.[partition], r.body, r.state, r.progress, r.asked_at_us FROM [keepstep].[request] AS r WHERE r.profile = CAST(@P1 AS varchar(64)) AND (@P2 = 1 OR r.state NOT IN ('done', 'stopped', 'refused')) ORDER BY r.asked_at_us, r.id, r.topic, r.[partition];
GO

SET NOCOUNT ON; UPDATE r SET state = CAST(@P6 AS varchar(16)), progress = @P7, updated_at_us = DATEDIFF_BIG(microsecond, '19700101', SYSUTCDATETIME()) FROM [keepstep].[request] AS r WHERE r.id = @P1 AND r.profile = CAST(@P2 AS varchar(64)) AND r.topic = @P3 AND r.[partition] = @P4 AND r.state = CAST(@P5 AS varchar(16)); SELECT @@ROWCOUNT AS moved;
GO

SET XACT_ABORT ON; SET NOCOUNT ON; BEGIN TRANSACTION;
DECLARE @turn int; EXEC @turn = sp_getapplock @Resource = N'keepstep.lane_state.head-quarters', @LockMode = N'Exclusive', @LockOwner = N'Transaction', @LockTimeout = 5000; SELECT @turn AS turn;
DECLARE @now_us bigint = DATEDIFF_BIG(microsecond, '19700101', SYSUTCDATETIME()); DECLARE @n TABLE (topic nvarchar(249) COLLATE Latin1_General_BIN2 NOT NULL, [partition] int NOT NULL, owner nvarchar(max) NOT NULL, body nvarchar(max) NOT NULL);
IF @turn >= 0
BEGIN
INSERT INTO @n (topic, [partition], owner, body) VALUES
(@P1, @P2, @P3, @P4),
(@P5, @P6, @P7, @P8);
UPDATE s SET owner = n.owner, body = n.body, said_at_us = @now_us FROM [keepstep].[lane_state] AS s JOIN @n AS n ON s.topic = n.topic AND s.[partition] = n.[partition] WHERE s.profile = 'head-quarters';
INSERT INTO [keepstep].[lane_state] (profile, topic, [partition], owner, body, said_at_us) SELECT 'head-quarters', n.topic, n.[partition], n.owner, n.body, @now_us FROM @n AS n WHERE NOT EXISTS (SELECT 1 FROM [keepstep].[lane_state] AS s WHERE s.profile = 'head-quarters' AND s.topic = n.topic AND s.[partition] = n.[partition]);
DELETE s FROM [keepstep].[lane_state] AS s WHERE s.profile = 'head-quarters' AND s.said_at_us < @now_us - 604800000000;
END;
COMMIT TRANSACTION;
GO

SET XACT_ABORT ON; SET NOCOUNT ON; BEGIN TRANSACTION;
DECLARE @turn int; EXEC @turn = sp_getapplock @Resource = N'keepstep.lane_state.head-quarters', @LockMode = N'Exclusive', @LockOwner = N'Transaction', @LockTimeout = 5000; SELECT @turn AS turn;
DECLARE @now_us bigint = DATEDIFF_BIG(microsecond, '19700101', SYSUTCDATETIME()); DECLARE @n TABLE (topic nvarchar(249) COLLATE Latin1_General_BIN2 NOT NULL, [partition] int NOT NULL, owner nvarchar(max) NOT NULL, body nvarchar(max) NOT NULL);
IF @turn >= 0
BEGIN
DELETE s FROM [keepstep].[lane_state] AS s WHERE s.profile = 'head-quarters' AND s.said_at_us < @now_us - 604800000000;
END;
COMMIT TRANSACTION;
GO

SELECT s.topic, s.[partition], s.owner, s.body, DATEDIFF_BIG(microsecond, '19700101', SYSUTCDATETIME()) - s.said_at_us AS age_us FROM [keepstep].[lane_state] AS s WHERE s.profile = CAST(@P1 AS varchar(64)) ORDER BY s.topic, s.[partition];
GO

