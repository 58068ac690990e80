-- Who asked for a start may ask again without harm: the id of the request under which an orchestration was started last.

ALTER TABLE orchestrations ADD COLUMN request text;
