SELECT CASE WHEN o.type = 'U' THEN 1 ELSE 0 END AS ordinary, CASE WHEN N'a' COLLATE DATABASE_DEFAULT = N'A' THEN 1 ELSE 0 END AS ignores_case, ISNULL(HAS_PERMS_BY_NAME(N'[crm].[hq]]''_account]', N'OBJECT', N'ALTER'), 0) AS alterable, CASE WHEN EXISTS (SELECT 1 FROM sys.indexes AS i JOIN sys.index_columns AS k ON k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0 JOIN sys.columns AS c ON c.object_id = k.object_id AND c.column_id = k.column_id WHERE i.object_id = o.object_id AND i.is_unique = 1 AND i.is_disabled = 0 AND i.has_filter = 0 GROUP BY i.index_id HAVING COUNT(*) = 1 AND MIN(c.name) = N'Id') THEN 1 ELSE 0 END AS keyed FROM sys.objects AS o WHERE o.object_id = OBJECT_ID(N'[crm].[hq]]''_account]');
SELECT c.name, ISNULL(t.name, N'') AS type_name, CAST(c.max_length AS int) AS max_bytes, CAST(c.[precision] AS int) AS number_precision, CAST(c.[scale] AS int) AS number_scale, CAST(c.is_nullable AS int) AS nullable, CASE WHEN c.is_computed = 1 OR c.is_identity = 1 OR t.name = N'timestamp' THEN 1 ELSE 0 END AS filled, CASE WHEN c.default_object_id <> 0 THEN 1 ELSE 0 END AS has_default FROM sys.columns AS c LEFT JOIN sys.types AS t ON t.user_type_id = c.system_type_id WHERE c.object_id = OBJECT_ID(N'[crm].[hq]]''_account]') ORDER BY c.column_id;
SELECT g.name, CAST(g.is_instead_of_trigger AS int) AS instead FROM sys.triggers AS g WHERE g.parent_id = OBJECT_ID(N'[crm].[hq]]''_account]') AND g.is_disabled = 0 ORDER BY g.name;

SELECT COUNT(*) AS counted FROM (SELECT TOP (100001) 1 AS one FROM [crm].[hq_account] AS t) AS some_rows;

SELECT CAST(ISNULL(SUM(p.rows), 0) AS bigint) AS reckoned FROM sys.partitions AS p WHERE p.object_id = OBJECT_ID(N'[crm].[hq_account]') AND p.index_id IN (0, 1);

SELECT CASE WHEN SCHEMA_ID(N'it''s') IS NULL THEN 0 ELSE 1 END AS found;

IF OBJECT_ID(N'[keepstep].[schema_version]') IS NULL SELECT CAST(0 AS bigint) AS version ELSE SELECT ISNULL(MAX(v.version), 0) AS version FROM [keepstep].[schema_version] AS v;

SELECT n.name FROM (VALUES (N'schema_version', N'[keepstep].[schema_version]'), (N'object_registry', N'[keepstep].[object_registry]'), (N'checkpoint', N'[keepstep].[checkpoint]'), (N'tombstone', N'[keepstep].[tombstone]'), (N'held_change', N'[keepstep].[held_change]'), (N'request', N'[keepstep].[request]'), (N'lane_state', N'[keepstep].[lane_state]')) AS n (name, full_name) WHERE OBJECT_ID(n.full_name) IS NULL;

SELECT r.table_schema, r.table_name, r.profile, r.entity, r.topic, r.partition_count, CAST(r.active AS int) AS active FROM [keepstep].[object_registry] AS r;

SELECT c.topic, c.[partition], c.entity, c.next_offset FROM [keepstep].[checkpoint] AS c WHERE c.profile = 'head-quarters';

SELECT COUNT(*) AS missing FROM (VALUES (TYPE_ID(N'[crm].[hq_accountType]')), (TYPE_ID(N'[crm].[hq_accountIdType]')), (TYPE_ID(N'[crm].[hq_AttributeMetadataList]')), (TYPE_ID(N'[crm].[hq_OptionSetMetadataList]')), (TYPE_ID(N'[crm].[hq_StateMetadataList]')), (TYPE_ID(N'[crm].[hq_StatusMetadataList]')), (TYPE_ID(N'[crm].[hq_TargetMetadataList]')), (OBJECT_ID(N'[crm].[hq_UpsertAttributeMetadata]', N'P')), (OBJECT_ID(N'[crm].[hq_UpsertGlobalOptionSetMetadata]', N'P')), (OBJECT_ID(N'[crm].[hq_UpsertOptionSetMetadata]', N'P')), (OBJECT_ID(N'[crm].[hq_UpsertStateMetadata]', N'P')), (OBJECT_ID(N'[crm].[hq_UpsertStatusMetadata]', N'P')), (OBJECT_ID(N'[crm].[hq_UpsertTargetMetadata]', N'P'))) AS n (id) WHERE n.id IS NULL;

SELECT QUOTENAME(DB_NAME()) AS database_name, QUOTENAME(USER_NAME()) AS user_name, CASE WHEN CAST(DATABASEPROPERTYEX(DB_NAME(), 'Updateability') AS nvarchar(128)) = N'READ_ONLY' THEN 1 ELSE 0 END AS is_read_only, CAST(ISNULL((SELECT d.compatibility_level FROM sys.databases AS d WHERE d.name = DB_NAME()), 0) AS int) AS level, CAST(SERVERPROPERTY('ProductVersion') AS nvarchar(128)) AS version;

SELECT ISNULL(HAS_PERMS_BY_NAME(QUOTENAME(DB_NAME()), N'DATABASE', N'CREATE TABLE'), 0) AS granted;

SELECT ISNULL(HAS_PERMS_BY_NAME(N'[it''s]]]', N'SCHEMA', N'ALTER'), 0) AS granted;

SELECT ISNULL(HAS_PERMS_BY_NAME(N'[crm].[hq]]''_account]', N'OBJECT', N'SELECT'), 0) AS granted;

GRANT CREATE TABLE TO [user];

GRANT ALTER ON SCHEMA::[it's]]] TO [user];

GRANT SELECT ON [crm].[hq]]'_account] TO [user];

