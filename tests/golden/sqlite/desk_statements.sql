-- put a request
INSERT INTO keepstep_request ("id", "profile", "topic", "partition", "body", "state", "progress", "asked_at_us", "updated_at_us") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8) ON CONFLICT ("id", "topic", "partition") DO NOTHING;

-- how many are open
SELECT count(*) FROM keepstep_request AS t WHERE t."profile" = ?1 AND t."state" NOT IN ('done', 'stopped', 'refused');

-- forget finished ones
DELETE FROM keepstep_request AS t WHERE t."profile" = ?1 AND t."updated_at_us" < ?2 AND t."state" IN ('done', 'stopped', 'refused');

-- requests
SELECT t."id", t."topic", t."partition", t."body", t."state", t."progress", t."asked_at_us" FROM keepstep_request AS t WHERE t."profile" = ?1 AND (?2 OR t."state" NOT IN ('done', 'stopped', 'refused')) ORDER BY t."asked_at_us", t."id", t."topic", t."partition";

-- move a request
UPDATE keepstep_request AS t SET "state" = ?6, "progress" = ?7, "updated_at_us" = ?8 WHERE t."id" = ?1 AND t."profile" = ?2 AND t."topic" = ?3 AND t."partition" = ?4 AND t."state" = ?5;

-- say how a lane is
INSERT OR REPLACE INTO keepstep_lane_state ("profile", "topic", "partition", "owner", "body", "said_at_us") VALUES (?1, ?2, ?3, ?4, ?5, ?6);

-- forget stale ones
DELETE FROM keepstep_lane_state AS t WHERE t."profile" = ?1 AND t."said_at_us" < ?2;

-- how lanes are
SELECT t."topic", t."partition", t."owner", t."body", max(?2 - t."said_at_us", 0) FROM keepstep_lane_state AS t WHERE t."profile" = ?1 ORDER BY t."topic", t."partition";

