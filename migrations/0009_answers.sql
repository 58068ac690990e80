-- Queries and updates come by the inbox; what is answered waits here for an hour, for whoever asked.

ALTER TABLE inbox DROP CONSTRAINT inbox_kind;
ALTER TABLE inbox ADD CONSTRAINT inbox_kind CHECK (kind IN
    ('start', 'signal', 'cancel', 'terminate', 'child_completed', 'child_failed', 'step_completed', 'pause', 'resume',
     'query', 'update'));

CREATE TABLE answers (
    orchestration text        NOT NULL,
    request       text        NOT NULL,
    answer        jsonb       NOT NULL,
    at            timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (orchestration, request)
);
