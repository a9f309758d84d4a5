IF COL_LENGTH(N'[crm].[hq_account]', N'createdon') IS NULL ALTER TABLE [crm].[hq_account] ADD [createdon] datetime NULL;

IF COL_LENGTH(N'[crm].[hq_account]', N'revenue') IS NULL ALTER TABLE [crm].[hq_account] ADD [revenue] decimal(38,2) NULL;

IF COL_LENGTH(N'[crm].[hq_account]', N'ownerid') IS NULL ALTER TABLE [crm].[hq_account] ADD [ownerid] uniqueidentifier NULL;

IF COL_LENGTH(N'[crm].[hq_account]', N'ownerid_entitytype') IS NULL ALTER TABLE [crm].[hq_account] ADD [ownerid_entitytype] nvarchar(128) NULL;

IF COL_LENGTH(N'[crm].[hq_account]', N'x]; DROP TABLE y; --''') IS NULL ALTER TABLE [crm].[hq_account] ADD [x]]; DROP TABLE y; --'] int NULL;

ALTER TABLE [crm].[hq_account] ALTER COLUMN [createdon] datetime NULL;

ALTER TABLE [crm].[hq_account] ALTER COLUMN [revenue] decimal(38,2) NULL;

ALTER TABLE [crm].[hq_account] ALTER COLUMN [ownerid] uniqueidentifier NULL;

ALTER TABLE [crm].[hq_account] ALTER COLUMN [ownerid_entitytype] nvarchar(128) NULL;

ALTER TABLE [crm].[hq_account] ALTER COLUMN [x]]; DROP TABLE y; --'] int NULL;

