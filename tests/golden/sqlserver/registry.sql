UPDATE r SET profile = 'head-quarters', entity = N'account', topic = N'it''s', partition_count = 2, active = 1, updated_at = SYSUTCDATETIME() FROM [keepstep].[object_registry] AS r WHERE r.table_schema = N'crm' AND r.table_name = N'hq_account';

IF @@ROWCOUNT = 0 INSERT INTO [keepstep].[object_registry] (table_schema, table_name, profile, entity, topic, partition_count, active) VALUES (N'crm', N'hq_account', 'head-quarters', N'account', N'it''s', 2, 1);

IF HAS_PERMS_BY_NAME(N'[crm].[hq_account]', N'OBJECT', N'ALTER') = 1 TRUNCATE TABLE [crm].[hq_account] ELSE DELETE FROM [crm].[hq_account];

UPDATE r SET active = 0, updated_at = SYSUTCDATETIME() FROM [keepstep].[object_registry] AS r WHERE r.table_schema = N'crm' AND r.table_name = N'hq_account';

UPDATE c SET next_offset = 7, owner = NULL, last_offset = NULL, last_timestamp_ms = NULL, last_length_bytes = NULL, last_crc = NULL, updated_at = SYSUTCDATETIME() FROM [keepstep].[checkpoint] AS c WHERE c.profile = 'head-quarters' AND c.topic = N'it''s' AND c.[partition] = 1 AND c.entity = N'account';

IF @@ROWCOUNT = 0 INSERT INTO [keepstep].[checkpoint] (profile, topic, [partition], entity, next_offset) VALUES ('head-quarters', N'it''s', 1, N'account', 7);

