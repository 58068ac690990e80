-- An orchestration whose code kills its process is found out and left alone: after a death, the next owner notes what it
-- is about to run before it does, and what a dead owner had noted counts against it.

ALTER TABLE workers ADD COLUMN on_trial text[] NOT NULL DEFAULT '{}';

CREATE TABLE suspects (
    orchestration text    PRIMARY KEY,
    deaths        integer NOT NULL
);
