-- Suspicion is of one turn, and only a death while that turn ran alone adds to it: others had their part in the rest.

ALTER TABLE suspects ADD COLUMN turn bigint NOT NULL DEFAULT 0;
