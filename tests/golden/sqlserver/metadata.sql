SELECT t.[EntityName], t.[AttributeName], t.[ReferencedEntity], t.[ReferencedAttribute] FROM [it's].[hq_TargetMetadata] AS t WHERE t.[EntityName] IN (N'account', N'it''s');

SELECT t.[EntityName], t.[AttributeName], t.[AttributeType], t.[AttributeTypeCode], t.[Version], DATEDIFF_BIG(millisecond, '19700101', t.[Timestamp]) AS [Timestamp], t.[MetadataId], t.[Precision] FROM [it's].[hq_AttributeMetadata] AS t WHERE t.[EntityName] IN (NULL);

DELETE t FROM [it's].[hq_TargetMetadata] AS t JOIN (VALUES
(N'account', N'it''s', N'lead')) AS s (c0, c1, c2) ON t.[EntityName] = s.c0 AND t.[AttributeName] = s.c1 AND t.[ReferencedEntity] = s.c2;

INSERT INTO [it's].[hq_TargetMetadata] ([EntityName], [AttributeName], [ReferencedEntity], [ReferencedAttribute]) VALUES
(N'account', N'it''s', N'lead', NULL);

INSERT INTO [it's].[hq_AttributeMetadata] ([EntityName], [AttributeName], [AttributeType], [AttributeTypeCode], [Version], [Timestamp], [MetadataId], [Precision]) VALUES
(N'account', N'name', N'String', 14, 7, DATEADD(millisecond, 80000123, DATEADD(day, 19675, CAST('19700101' AS datetime))), NULL, 2);

