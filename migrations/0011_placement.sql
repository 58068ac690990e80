-- What was chosen of where the members run and of what their objects carry (kube::Placement); what is not there is as
-- the server has it by default.

ALTER TABLE instances ADD COLUMN placement jsonb NOT NULL DEFAULT '{}';
