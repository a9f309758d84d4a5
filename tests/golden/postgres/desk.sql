SELECT (SELECT count(*) FROM keepstep.request AS r WHERE r.profile = $1 AND r.state NOT IN ('done', 'stopped', 'refused')) + (SELECT count(*) FROM unnest($2, $3, $4) AS n (id, topic, partition) WHERE NOT EXISTS (SELECT FROM keepstep.request AS r WHERE r.id = n.id AND r.topic = n.topic AND r.partition = n.partition));

DELETE FROM keepstep.request AS r WHERE r.profile = $1 AND r.state IN ('done', 'stopped', 'refused') AND r.updated_at_us < (extract(epoch FROM clock_timestamp()) * 1000000)::bigint - 2592000000000;

INSERT INTO keepstep.request (id, profile, topic, partition, body, state, progress, asked_at_us, updated_at_us) SELECT n.id, $1, n.topic, n.partition, n.body, n.state, n.progress, clock.now_us, clock.now_us FROM unnest($2, $3, $4, $5, $6, $7) AS n (id, topic, partition, body, state, progress), (SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint) AS clock (now_us) ON CONFLICT (id, topic, partition) DO NOTHING;

SELECT r.id, r.profile, r.topic, r.partition, r.body, r.state, r.progress, r.asked_at_us FROM keepstep.request AS r WHERE r.profile = $1 AND ($2 OR r.state NOT IN ('done', 'stopped', 'refused')) ORDER BY r.asked_at_us, r.id, r.topic, r.partition;

UPDATE keepstep.request AS r SET state = $6, progress = $7, updated_at_us = (extract(epoch FROM clock_timestamp()) * 1000000)::bigint WHERE r.id = $1 AND r.profile = $2 AND r.topic = $3 AND r.partition = $4 AND r.state = $5;

INSERT INTO keepstep.lane_state (profile, topic, partition, owner, body, said_at_us) SELECT $1, n.topic, n.partition, n.owner, n.body, clock.now_us FROM unnest($2, $3, $4, $5) AS n (topic, partition, owner, body), (SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint) AS clock (now_us) ON CONFLICT (profile, topic, partition) DO UPDATE SET owner = excluded.owner, body = excluded.body, said_at_us = excluded.said_at_us;

DELETE FROM keepstep.lane_state AS s WHERE s.profile = $1 AND s.said_at_us < (extract(epoch FROM clock_timestamp()) * 1000000)::bigint - 604800000000;

SELECT s.topic, s.partition, s.owner, s.body, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint - s.said_at_us FROM keepstep.lane_state AS s WHERE s.profile = $1 ORDER BY s.topic, s.partition;

