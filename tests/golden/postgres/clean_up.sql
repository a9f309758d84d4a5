DO $keepstep$
DECLARE
  line record;
BEGIN
  IF NOT EXISTS (SELECT FROM keepstep.object_registry WHERE profile = 'head-quarters') THEN
    RAISE EXCEPTION 'keepstep: the registry knows no such table, so nothing is dropped';
  END IF;
  FOR line IN SELECT table_schema, table_name FROM keepstep.object_registry WHERE profile = 'head-quarters' LOOP
    EXECUTE format('DROP TABLE IF EXISTS %I.%I', line.table_schema, line.table_name);
  END LOOP;
  IF NOT EXISTS (SELECT FROM keepstep.object_registry WHERE NOT (profile = 'head-quarters') AND table_schema = 'crm' AND starts_with(table_name, 'hq_')) THEN
    DROP TABLE IF EXISTS "crm"."hq_OptionSetMetadata";
    DROP TABLE IF EXISTS "crm"."hq_GlobalOptionSetMetadata";
    DROP TABLE IF EXISTS "crm"."hq_StateMetadata";
    DROP TABLE IF EXISTS "crm"."hq_StatusMetadata";
    DROP TABLE IF EXISTS "crm"."hq_TargetMetadata";
    DROP TABLE IF EXISTS "crm"."hq_AttributeMetadata";
    DROP TABLE IF EXISTS "crm"."hq_DeleteLog";
  END IF;
  DELETE FROM keepstep.checkpoint WHERE profile = 'head-quarters';
  DELETE FROM keepstep.tombstone WHERE profile = 'head-quarters';
  DELETE FROM keepstep.held_change WHERE profile = 'head-quarters';
  DELETE FROM keepstep.request WHERE profile = 'head-quarters';
  DELETE FROM keepstep.lane_state WHERE profile = 'head-quarters';
  DELETE FROM keepstep.object_registry WHERE profile = 'head-quarters';
END
$keepstep$;

DO $_keepstep$
DECLARE
  line record;
BEGIN
  IF NOT EXISTS (SELECT FROM keepstep.object_registry WHERE profile = 'head-quarters' AND entity = 'it''s a $keepstep$') THEN
    RAISE EXCEPTION 'keepstep: the registry knows no such table, so nothing is dropped';
  END IF;
  FOR line IN SELECT table_schema, table_name FROM keepstep.object_registry WHERE profile = 'head-quarters' AND entity = 'it''s a $keepstep$' LOOP
    EXECUTE format('DROP TABLE IF EXISTS %I.%I', line.table_schema, line.table_name);
  END LOOP;
  IF to_regclass('"crm"."hq_OptionSetMetadata"') IS NOT NULL THEN
    DELETE FROM "crm"."hq_OptionSetMetadata" WHERE "EntityName" = 'it''s a $keepstep$';
  END IF;
  IF to_regclass('"crm"."hq_StateMetadata"') IS NOT NULL THEN
    DELETE FROM "crm"."hq_StateMetadata" WHERE "EntityName" = 'it''s a $keepstep$';
  END IF;
  IF to_regclass('"crm"."hq_StatusMetadata"') IS NOT NULL THEN
    DELETE FROM "crm"."hq_StatusMetadata" WHERE "EntityName" = 'it''s a $keepstep$';
  END IF;
  IF to_regclass('"crm"."hq_TargetMetadata"') IS NOT NULL THEN
    DELETE FROM "crm"."hq_TargetMetadata" WHERE "EntityName" = 'it''s a $keepstep$';
  END IF;
  IF to_regclass('"crm"."hq_AttributeMetadata"') IS NOT NULL THEN
    DELETE FROM "crm"."hq_AttributeMetadata" WHERE "EntityName" = 'it''s a $keepstep$';
  END IF;
  DELETE FROM keepstep.checkpoint WHERE profile = 'head-quarters' AND entity = 'it''s a $keepstep$';
  DELETE FROM keepstep.tombstone WHERE profile = 'head-quarters' AND entity = 'it''s a $keepstep$';
  DELETE FROM keepstep.held_change WHERE profile = 'head-quarters' AND entity = 'it''s a $keepstep$';
  DELETE FROM keepstep.object_registry WHERE profile = 'head-quarters' AND entity = 'it''s a $keepstep$';
END
$_keepstep$;

