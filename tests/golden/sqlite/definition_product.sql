-- the table
CREATE TABLE "product" (
  "Id" TEXT NOT NULL PRIMARY KEY,
  "SinkCreatedOn" TEXT,
  "SinkModifiedOn" TEXT,
  "productid" TEXT,
  "name" TEXT,
  "productnumber" TEXT,
  "statecode" INTEGER,
  "statuscode" INTEGER,
  "productstructure" INTEGER,
  "producttypecode" INTEGER,
  "parentproductid" TEXT,
  "parentproductid_entitytype" TEXT,
  "defaultuomid" TEXT,
  "defaultuomid_entitytype" TEXT,
  "defaultuomscheduleid" TEXT,
  "defaultuomscheduleid_entitytype" TEXT,
  "pricelevelid" TEXT,
  "pricelevelid_entitytype" TEXT,
  "subjectid" TEXT,
  "subjectid_entitytype" TEXT,
  "currentcost" DECIMAL_TEXT(38,4),
  "currentcost_base" DECIMAL_TEXT(38,4),
  "price" DECIMAL_TEXT(38,4),
  "price_base" DECIMAL_TEXT(38,4),
  "standardcost" DECIMAL_TEXT(38,4),
  "standardcost_base" DECIMAL_TEXT(38,4),
  "quantityonhand" DECIMAL_TEXT(38,5),
  "stockvolume" DECIMAL_TEXT(38,5),
  "stockweight" DECIMAL_TEXT(38,5),
  "quantitydecimal" INTEGER,
  "iskit" INTEGER,
  "isstockitem" INTEGER,
  "validfromdate" TEXT,
  "validtodate" TEXT,
  "description" TEXT,
  "hierarchypath" TEXT,
  "producturl" TEXT,
  "size" TEXT,
  "suppliername" TEXT,
  "vendorname" TEXT,
  "vendorpartnumber" TEXT,
  "transactioncurrencyid" TEXT,
  "transactioncurrencyid_entitytype" TEXT,
  "exchangerate" DECIMAL_TEXT(38,10),
  "createdby" TEXT,
  "createdby_entitytype" TEXT,
  "createdonbehalfby" TEXT,
  "createdonbehalfby_entitytype" TEXT,
  "createdon" TEXT,
  "modifiedby" TEXT,
  "modifiedby_entitytype" TEXT,
  "modifiedonbehalfby" TEXT,
  "modifiedonbehalfby_entitytype" TEXT,
  "modifiedon" TEXT,
  "importsequencenumber" INTEGER,
  "overriddencreatedon" TEXT,
  "timezoneruleversionnumber" INTEGER,
  "utcconversiontimezonecode" INTEGER,
  "versionnumber" INTEGER
);

-- delete
DELETE FROM "product" AS t WHERE t."Id" = ?1 AND (t."versionnumber" IS NULL OR t."versionnumber" <= ?2);

-- image
INSERT INTO "product" AS t ("Id", "SinkCreatedOn", "SinkModifiedOn", "productid", "name", "productnumber", "statecode", "statuscode", "productstructure", "producttypecode", "parentproductid", "parentproductid_entitytype", "defaultuomid", "defaultuomid_entitytype", "defaultuomscheduleid", "defaultuomscheduleid_entitytype", "pricelevelid", "pricelevelid_entitytype", "subjectid", "subjectid_entitytype", "currentcost", "currentcost_base", "price", "price_base", "standardcost", "standardcost_base", "quantityonhand", "stockvolume", "stockweight", "quantitydecimal", "iskit", "isstockitem", "validfromdate", "validtodate", "description", "hierarchypath", "producturl", "size", "suppliername", "vendorname", "vendorpartnumber", "transactioncurrencyid", "transactioncurrencyid_entitytype", "exchangerate", "createdby", "createdby_entitytype", "createdonbehalfby", "createdonbehalfby_entitytype", "createdon", "modifiedby", "modifiedby_entitytype", "modifiedonbehalfby", "modifiedonbehalfby_entitytype", "modifiedon", "importsequencenumber", "overriddencreatedon", "timezoneruleversionnumber", "utcconversiontimezonecode", "versionnumber") SELECT ?1, ?2, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29, ?30, ?31, ?32, ?33, ?34, ?35, ?36, ?37, ?38, ?39, ?40, ?41, ?42, ?43, ?44, ?45, ?46, ?47, ?48, ?49, ?50, ?51, ?52, ?53, ?54, ?55, ?56, ?57, ?58 WHERE NOT EXISTS (SELECT 1 FROM keepstep_tombstone AS d WHERE d."profile" = ?60 AND d."entity" = ?61 AND d."record_id" = ?1 AND d."version" >= ?59) ON CONFLICT ("Id") DO UPDATE SET "SinkModifiedOn" = excluded."SinkModifiedOn", "productid" = excluded."productid", "name" = excluded."name", "productnumber" = excluded."productnumber", "statecode" = excluded."statecode", "statuscode" = excluded."statuscode", "productstructure" = excluded."productstructure", "producttypecode" = excluded."producttypecode", "parentproductid" = excluded."parentproductid", "parentproductid_entitytype" = excluded."parentproductid_entitytype", "defaultuomid" = excluded."defaultuomid", "defaultuomid_entitytype" = excluded."defaultuomid_entitytype", "defaultuomscheduleid" = excluded."defaultuomscheduleid", "defaultuomscheduleid_entitytype" = excluded."defaultuomscheduleid_entitytype", "pricelevelid" = excluded."pricelevelid", "pricelevelid_entitytype" = excluded."pricelevelid_entitytype", "subjectid" = excluded."subjectid", "subjectid_entitytype" = excluded."subjectid_entitytype", "currentcost" = excluded."currentcost", "currentcost_base" = excluded."currentcost_base", "price" = excluded."price", "price_base" = excluded."price_base", "standardcost" = excluded."standardcost", "standardcost_base" = excluded."standardcost_base", "quantityonhand" = excluded."quantityonhand", "stockvolume" = excluded."stockvolume", "stockweight" = excluded."stockweight", "quantitydecimal" = excluded."quantitydecimal", "iskit" = excluded."iskit", "isstockitem" = excluded."isstockitem", "validfromdate" = excluded."validfromdate", "validtodate" = excluded."validtodate", "description" = excluded."description", "hierarchypath" = excluded."hierarchypath", "producturl" = excluded."producturl", "size" = excluded."size", "suppliername" = excluded."suppliername", "vendorname" = excluded."vendorname", "vendorpartnumber" = excluded."vendorpartnumber", "transactioncurrencyid" = excluded."transactioncurrencyid", "transactioncurrencyid_entitytype" = excluded."transactioncurrencyid_entitytype", "exchangerate" = excluded."exchangerate", "createdby" = excluded."createdby", "createdby_entitytype" = excluded."createdby_entitytype", "createdonbehalfby" = excluded."createdonbehalfby", "createdonbehalfby_entitytype" = excluded."createdonbehalfby_entitytype", "createdon" = excluded."createdon", "modifiedby" = excluded."modifiedby", "modifiedby_entitytype" = excluded."modifiedby_entitytype", "modifiedonbehalfby" = excluded."modifiedonbehalfby", "modifiedonbehalfby_entitytype" = excluded."modifiedonbehalfby_entitytype", "modifiedon" = excluded."modifiedon", "importsequencenumber" = excluded."importsequencenumber", "overriddencreatedon" = excluded."overriddencreatedon", "timezoneruleversionnumber" = excluded."timezoneruleversionnumber", "utcconversiontimezonecode" = excluded."utcconversiontimezonecode", "versionnumber" = excluded."versionnumber" WHERE (t."versionnumber" IS NULL OR t."versionnumber" <= ?59);

-- patch of one column
UPDATE "product" AS t SET "SinkModifiedOn" = ?2, "versionnumber" = ifnull(?3, t."versionnumber"), "productid" = ?5 WHERE t."Id" = ?1 AND (t."versionnumber" IS NULL OR t."versionnumber" < ?4);

-- patch of all columns
UPDATE "product" AS t SET "SinkModifiedOn" = ?2, "versionnumber" = ifnull(?3, t."versionnumber"), "productid" = ?5, "name" = ?6, "productnumber" = ?7, "statecode" = ?8, "statuscode" = ?9, "productstructure" = ?10, "producttypecode" = ?11, "parentproductid" = ?12, "parentproductid_entitytype" = ?13, "defaultuomid" = ?14, "defaultuomid_entitytype" = ?15, "defaultuomscheduleid" = ?16, "defaultuomscheduleid_entitytype" = ?17, "pricelevelid" = ?18, "pricelevelid_entitytype" = ?19, "subjectid" = ?20, "subjectid_entitytype" = ?21, "currentcost" = ?22, "currentcost_base" = ?23, "price" = ?24, "price_base" = ?25, "standardcost" = ?26, "standardcost_base" = ?27, "quantityonhand" = ?28, "stockvolume" = ?29, "stockweight" = ?30, "quantitydecimal" = ?31, "iskit" = ?32, "isstockitem" = ?33, "validfromdate" = ?34, "validtodate" = ?35, "description" = ?36, "hierarchypath" = ?37, "producturl" = ?38, "size" = ?39, "suppliername" = ?40, "vendorname" = ?41, "vendorpartnumber" = ?42, "transactioncurrencyid" = ?43, "transactioncurrencyid_entitytype" = ?44, "exchangerate" = ?45, "createdby" = ?46, "createdby_entitytype" = ?47, "createdonbehalfby" = ?48, "createdonbehalfby_entitytype" = ?49, "createdon" = ?50, "modifiedby" = ?51, "modifiedby_entitytype" = ?52, "modifiedonbehalfby" = ?53, "modifiedonbehalfby_entitytype" = ?54, "modifiedon" = ?55, "importsequencenumber" = ?56, "overriddencreatedon" = ?57, "timezoneruleversionnumber" = ?58, "utcconversiontimezonecode" = ?59 WHERE t."Id" = ?1 AND (t."versionnumber" IS NULL OR t."versionnumber" < ?4);

