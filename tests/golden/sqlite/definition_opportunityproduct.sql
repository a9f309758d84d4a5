-- the table
CREATE TABLE "opportunityproduct" (
  "Id" TEXT NOT NULL PRIMARY KEY,
  "SinkCreatedOn" TEXT,
  "SinkModifiedOn" TEXT,
  "opportunityproductid" TEXT,
  "opportunityid" TEXT,
  "opportunityid_entitytype" TEXT,
  "productid" TEXT,
  "productid_entitytype" TEXT,
  "parentbundleidref" TEXT,
  "parentbundleidref_entitytype" TEXT,
  "uomid" TEXT,
  "uomid_entitytype" TEXT,
  "opportunityproductname" TEXT,
  "productname" TEXT,
  "productdescription" TEXT,
  "description" TEXT,
  "pricingerrorcode" INTEGER,
  "producttypecode" INTEGER,
  "skippricecalculation" INTEGER,
  "quantity" DECIMAL_TEXT(38,5),
  "baseamount" DECIMAL_TEXT(38,2),
  "baseamount_base" DECIMAL_TEXT(38,4),
  "extendedamount" DECIMAL_TEXT(38,2),
  "extendedamount_base" DECIMAL_TEXT(38,4),
  "manualdiscountamount" DECIMAL_TEXT(38,2),
  "manualdiscountamount_base" DECIMAL_TEXT(38,4),
  "priceperunit" DECIMAL_TEXT(38,4),
  "priceperunit_base" DECIMAL_TEXT(38,4),
  "tax" DECIMAL_TEXT(38,2),
  "tax_base" DECIMAL_TEXT(38,4),
  "volumediscountamount" DECIMAL_TEXT(38,2),
  "volumediscountamount_base" DECIMAL_TEXT(38,4),
  "ispriceoverridden" INTEGER,
  "isproductoverridden" INTEGER,
  "lineitemnumber" INTEGER,
  "sequencenumber" INTEGER,
  "entityimageid" TEXT,
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
  "ownerid" TEXT,
  "ownerid_entitytype" TEXT,
  "owneridtype" TEXT,
  "versionnumber" INTEGER
);

-- delete
DELETE FROM "opportunityproduct" AS t WHERE t."Id" = ?1 AND (t."versionnumber" IS NULL OR t."versionnumber" <= ?2);

-- image
INSERT INTO "opportunityproduct" AS t ("Id", "SinkCreatedOn", "SinkModifiedOn", "opportunityproductid", "opportunityid", "opportunityid_entitytype", "productid", "productid_entitytype", "parentbundleidref", "parentbundleidref_entitytype", "uomid", "uomid_entitytype", "opportunityproductname", "productname", "productdescription", "description", "pricingerrorcode", "producttypecode", "skippricecalculation", "quantity", "baseamount", "baseamount_base", "extendedamount", "extendedamount_base", "manualdiscountamount", "manualdiscountamount_base", "priceperunit", "priceperunit_base", "tax", "tax_base", "volumediscountamount", "volumediscountamount_base", "ispriceoverridden", "isproductoverridden", "lineitemnumber", "sequencenumber", "entityimageid", "transactioncurrencyid", "transactioncurrencyid_entitytype", "exchangerate", "createdby", "createdby_entitytype", "createdonbehalfby", "createdonbehalfby_entitytype", "createdon", "modifiedby", "modifiedby_entitytype", "modifiedonbehalfby", "modifiedonbehalfby_entitytype", "modifiedon", "importsequencenumber", "overriddencreatedon", "timezoneruleversionnumber", "utcconversiontimezonecode", "ownerid", "ownerid_entitytype", "owneridtype", "versionnumber") SELECT ?1, ?2, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29, ?30, ?31, ?32, ?33, ?34, ?35, ?36, ?37, ?38, ?39, ?40, ?41, ?42, ?43, ?44, ?45, ?46, ?47, ?48, ?49, ?50, ?51, ?52, ?53, ?54, ?55, ?56, ?57 WHERE NOT EXISTS (SELECT 1 FROM keepstep_tombstone AS d WHERE d."profile" = ?59 AND d."entity" = ?60 AND d."record_id" = ?1 AND d."version" >= ?58) ON CONFLICT ("Id") DO UPDATE SET "SinkModifiedOn" = excluded."SinkModifiedOn", "opportunityproductid" = excluded."opportunityproductid", "opportunityid" = excluded."opportunityid", "opportunityid_entitytype" = excluded."opportunityid_entitytype", "productid" = excluded."productid", "productid_entitytype" = excluded."productid_entitytype", "parentbundleidref" = excluded."parentbundleidref", "parentbundleidref_entitytype" = excluded."parentbundleidref_entitytype", "uomid" = excluded."uomid", "uomid_entitytype" = excluded."uomid_entitytype", "opportunityproductname" = excluded."opportunityproductname", "productname" = excluded."productname", "productdescription" = excluded."productdescription", "description" = excluded."description", "pricingerrorcode" = excluded."pricingerrorcode", "producttypecode" = excluded."producttypecode", "skippricecalculation" = excluded."skippricecalculation", "quantity" = excluded."quantity", "baseamount" = excluded."baseamount", "baseamount_base" = excluded."baseamount_base", "extendedamount" = excluded."extendedamount", "extendedamount_base" = excluded."extendedamount_base", "manualdiscountamount" = excluded."manualdiscountamount", "manualdiscountamount_base" = excluded."manualdiscountamount_base", "priceperunit" = excluded."priceperunit", "priceperunit_base" = excluded."priceperunit_base", "tax" = excluded."tax", "tax_base" = excluded."tax_base", "volumediscountamount" = excluded."volumediscountamount", "volumediscountamount_base" = excluded."volumediscountamount_base", "ispriceoverridden" = excluded."ispriceoverridden", "isproductoverridden" = excluded."isproductoverridden", "lineitemnumber" = excluded."lineitemnumber", "sequencenumber" = excluded."sequencenumber", "entityimageid" = excluded."entityimageid", "transactioncurrencyid" = excluded."transactioncurrencyid", "transactioncurrencyid_entitytype" = excluded."transactioncurrencyid_entitytype", "exchangerate" = excluded."exchangerate", "createdby" = excluded."createdby", "createdby_entitytype" = excluded."createdby_entitytype", "createdonbehalfby" = excluded."createdonbehalfby", "createdonbehalfby_entitytype" = excluded."createdonbehalfby_entitytype", "createdon" = excluded."createdon", "modifiedby" = excluded."modifiedby", "modifiedby_entitytype" = excluded."modifiedby_entitytype", "modifiedonbehalfby" = excluded."modifiedonbehalfby", "modifiedonbehalfby_entitytype" = excluded."modifiedonbehalfby_entitytype", "modifiedon" = excluded."modifiedon", "importsequencenumber" = excluded."importsequencenumber", "overriddencreatedon" = excluded."overriddencreatedon", "timezoneruleversionnumber" = excluded."timezoneruleversionnumber", "utcconversiontimezonecode" = excluded."utcconversiontimezonecode", "ownerid" = excluded."ownerid", "ownerid_entitytype" = excluded."ownerid_entitytype", "owneridtype" = excluded."owneridtype", "versionnumber" = excluded."versionnumber" WHERE (t."versionnumber" IS NULL OR t."versionnumber" <= ?58);

-- patch of one column
UPDATE "opportunityproduct" AS t SET "SinkModifiedOn" = ?2, "versionnumber" = ifnull(?3, t."versionnumber"), "opportunityproductid" = ?5 WHERE t."Id" = ?1 AND (t."versionnumber" IS NULL OR t."versionnumber" < ?4);

-- patch of all columns
UPDATE "opportunityproduct" AS t SET "SinkModifiedOn" = ?2, "versionnumber" = ifnull(?3, t."versionnumber"), "opportunityproductid" = ?5, "opportunityid" = ?6, "opportunityid_entitytype" = ?7, "productid" = ?8, "productid_entitytype" = ?9, "parentbundleidref" = ?10, "parentbundleidref_entitytype" = ?11, "uomid" = ?12, "uomid_entitytype" = ?13, "opportunityproductname" = ?14, "productname" = ?15, "productdescription" = ?16, "description" = ?17, "pricingerrorcode" = ?18, "producttypecode" = ?19, "skippricecalculation" = ?20, "quantity" = ?21, "baseamount" = ?22, "baseamount_base" = ?23, "extendedamount" = ?24, "extendedamount_base" = ?25, "manualdiscountamount" = ?26, "manualdiscountamount_base" = ?27, "priceperunit" = ?28, "priceperunit_base" = ?29, "tax" = ?30, "tax_base" = ?31, "volumediscountamount" = ?32, "volumediscountamount_base" = ?33, "ispriceoverridden" = ?34, "isproductoverridden" = ?35, "lineitemnumber" = ?36, "sequencenumber" = ?37, "entityimageid" = ?38, "transactioncurrencyid" = ?39, "transactioncurrencyid_entitytype" = ?40, "exchangerate" = ?41, "createdby" = ?42, "createdby_entitytype" = ?43, "createdonbehalfby" = ?44, "createdonbehalfby_entitytype" = ?45, "createdon" = ?46, "modifiedby" = ?47, "modifiedby_entitytype" = ?48, "modifiedonbehalfby" = ?49, "modifiedonbehalfby_entitytype" = ?50, "modifiedon" = ?51, "importsequencenumber" = ?52, "overriddencreatedon" = ?53, "timezoneruleversionnumber" = ?54, "utcconversiontimezonecode" = ?55, "ownerid" = ?56, "ownerid_entitytype" = ?57, "owneridtype" = ?58 WHERE t."Id" = ?1 AND (t."versionnumber" IS NULL OR t."versionnumber" < ?4);

