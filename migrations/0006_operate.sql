-- Orchestrations can be paused and resumed by an operator, and looked for by their tags.

ALTER TABLE orchestrations DROP CONSTRAINT orchestrations_status;
ALTER TABLE orchestrations ADD CONSTRAINT orchestrations_status CHECK (status IN
    ('pending', 'running', 'completed', 'failed', 'cancelled', 'terminated', 'stuck', 'paused'));

ALTER TABLE inbox DROP CONSTRAINT inbox_kind;
ALTER TABLE inbox ADD CONSTRAINT inbox_kind CHECK (kind IN
    ('start', 'signal', 'cancel', 'terminate', 'child_completed', 'child_failed', 'step_completed', 'pause', 'resume'));

-- Tags are given at the start and stay as they are; most orchestrations have none.
CREATE INDEX orchestrations_tags ON orchestrations USING gin (tags jsonb_path_ops) WHERE tags <> '{}';
