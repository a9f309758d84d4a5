BEGIN ISOLATION LEVEL READ COMMITTED;

WITH moved AS (UPDATE keepstep.checkpoint AS c SET next_offset = m.destination, last_offset = 899, last_timestamp_ms = 1700000000000, last_length_bytes = 321, last_crc = 4000000000, updated_at = now() FROM (VALUES ('', 800::bigint, 900::bigint), ('lead', 750::bigint, 900::bigint)) AS m (entity, origin, destination) WHERE c.profile = 'head-quarters' AND c.topic = E'it''s a \\topic' AND c.partition = 3 AND c.entity = m.entity AND c.owner = '00000000-0000-0000-0000-000000000007'::uuid AND c.next_offset = m.origin RETURNING 1) SELECT CASE WHEN count(*) = 2 THEN 2 ELSE ('keepstep is fenced: another owner or offset stands in the checkpoint; cursors found: ' || count(*))::integer END FROM moved;

COMMIT;

BEGIN ISOLATION LEVEL READ COMMITTED;

WITH moved AS (UPDATE keepstep.checkpoint AS c SET next_offset = m.destination, last_offset = 899, last_timestamp_ms = 1700000000000, last_length_bytes = 321, last_crc = 4000000000, updated_at = now() FROM (VALUES ('', 800::bigint, 900::bigint), ('lead', 750::bigint, 900::bigint)) AS m (entity, origin, destination) WHERE c.profile = 'head-quarters' AND c.topic = E'it''s a \\topic' AND c.partition = 3 AND c.entity = m.entity AND c.owner = '00000000-0000-0000-0000-000000000007'::uuid AND c.next_offset = m.origin RETURNING 1), made AS (INSERT INTO keepstep.checkpoint (profile, topic, partition, entity, next_offset, owner, last_offset, last_timestamp_ms, last_length_bytes, last_crc) SELECT a.profile, a.topic, a.partition, n.entity, n.next_offset, '00000000-0000-0000-0000-000000000007'::uuid, a.last_offset, a.last_timestamp_ms, a.last_length_bytes, a.last_crc FROM keepstep.checkpoint AS a, (VALUES ('it''s', 800::bigint)) AS n (entity, next_offset) WHERE a.profile = 'head-quarters' AND a.topic = E'it''s a \\topic' AND a.partition = 3 AND a.entity = '' ON CONFLICT (profile, topic, partition, entity) DO UPDATE SET next_offset = excluded.next_offset, owner = excluded.owner, last_offset = excluded.last_offset, last_timestamp_ms = excluded.last_timestamp_ms, last_length_bytes = excluded.last_length_bytes, last_crc = excluded.last_crc, updated_at = now()) SELECT CASE WHEN count(*) = 2 THEN 2 ELSE ('keepstep is fenced: another owner or offset stands in the checkpoint; cursors found: ' || count(*))::integer END FROM moved;

COMMIT;

SELECT CASE WHEN count(*) = 2 THEN 2 ELSE ('keepstep is fenced: another owner or offset stands in the checkpoint; cursors found: ' || count(*))::integer END FROM keepstep.checkpoint AS c, (VALUES ('', 800::bigint, 900::bigint), ('lead', 750::bigint, 900::bigint)) AS m (entity, origin, destination) WHERE c.profile = 'head-quarters' AND c.topic = E'it''s a \\topic' AND c.partition = 3 AND c.entity = m.entity AND c.owner = '00000000-0000-0000-0000-000000000007'::uuid AND c.next_offset = m.origin;

BEGIN ISOLATION LEVEL READ COMMITTED;

DELETE FROM keepstep.checkpoint AS c USING keepstep.checkpoint AS a WHERE c.profile = 'head-quarters' AND c.topic = E'it''s a \\topic' AND c.partition = 3 AND c.entity <> '' AND a.profile = 'head-quarters' AND a.topic = E'it''s a \\topic' AND a.partition = 3 AND a.entity = '' AND a.next_offset = c.next_offset;

UPDATE keepstep.checkpoint AS c SET owner = '00000000-0000-0000-0000-000000000007'::uuid, updated_at = now() WHERE c.profile = 'head-quarters' AND c.topic = E'it''s a \\topic' AND c.partition = 3 RETURNING c.entity, c.next_offset, last_offset, last_timestamp_ms, last_length_bytes, last_crc;

COMMIT;

SELECT s.id FROM unnest($1::uuid[]) WITH ORDINALITY AS s (id, place) WHERE NOT EXISTS (SELECT FROM "crm"."hq_account" AS e WHERE e."Id" = s.id) AND NOT EXISTS (SELECT FROM keepstep.tombstone AS d WHERE d.record_id = s.id AND d.entity = 'account' AND d.profile = 'head-quarters') ORDER BY s.place;

