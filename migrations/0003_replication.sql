-- Replication and failover: what is on record of each instance, and the one way to change it.

-- The record is a value of src/ha/model.hpp; what SQL asks of it stands in columns of its own.
CREATE TABLE replication (
    instance_id    uuid        PRIMARY KEY REFERENCES instances (id) ON DELETE RESTRICT,
    record         jsonb       NOT NULL,
    state          text        NOT NULL GENERATED ALWAYS AS (record ->> 'state') STORED,
    epoch          bigint      NOT NULL GENERATED ALWAYS AS ((record ->> 'epoch')::bigint) STORED,
    revision       bigint      NOT NULL GENERATED ALWAYS AS ((record ->> 'revision')::bigint) STORED,
    primary_member text        NOT NULL GENERATED ALWAYS AS (record ->> 'primary') STORED,
    failover_safe  boolean     NOT NULL GENERATED ALWAYS AS ((record ->> 'failover_safe')::boolean) STORED,
    policy         jsonb       NOT NULL,
    request        jsonb,      -- what an operator asked for and the monitor has not looked at yet
    blocked        text,       -- why the monitor does not do what would help; written when it changes
    updated_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT replication_state CHECK (state IN
        ('creating', 'single', 'joining', 'catching_up', 'arming', 'synced', 'degrading', 'degraded', 'switching',
         'failing_over', 'rejoining', 'held')),
    -- Without somebody to wait for nothing is safe.
    CONSTRAINT replication_safe CHECK (NOT (record ->> 'failover_safe')::boolean OR jsonb_array_length(record -> 'armed') > 0)
);
CREATE TRIGGER replication_kept BEFORE DELETE OR TRUNCATE ON replication
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

ALTER TABLE operations DROP CONSTRAINT operations_kind;
ALTER TABLE operations ADD CONSTRAINT operations_kind CHECK (kind IN
    ('create_instance', 'delete_instance', 'switchover', 'failover', 'resync', 'hold', 'resume'));

ALTER TABLE replication_events ADD COLUMN actor text;
ALTER TABLE replication_events ADD COLUMN operation_id text;
CREATE INDEX replication_events_instance ON replication_events (instance_id, id);
CREATE INDEX failovers_instance ON failovers (instance_id, started_at);
ALTER TABLE failovers ADD CONSTRAINT failovers_kind CHECK (kind IN ('switchover', 'manual', 'automatic'));
ALTER TABLE failovers ADD CONSTRAINT failovers_status CHECK (status IN
    ('waiting_for_sync', 'fencing_primary', 'promoting_replica', 'updating_routing', 'cleaning_up_old_primary',
     'completed', 'failed'));
ALTER TABLE failovers ADD COLUMN operation_id text;
ALTER TABLE failovers ADD COLUMN steps jsonb NOT NULL DEFAULT '[]';

-- The record changes only from the state and reign that the change was decided on, and its event is written in the same
-- transaction. false: another change was faster, nothing is done. TG010: what the rules of failover forbid, whoever
-- asks for it.
CREATE FUNCTION advance_replication(instance uuid, seen_state text, seen_epoch bigint, seen_revision bigint,
                                    wanted jsonb, what text, by_actor text, by_operation text, why text,
                                    evidence jsonb) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    present    replication%ROWTYPE;
    successor  text := wanted ->> 'primary';
    standby    text;
BEGIN
    SELECT * INTO present FROM replication WHERE instance_id = instance FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no instance %', instance USING ERRCODE = 'TG011';
    END IF;
    IF (present.state, present.epoch, present.revision) IS DISTINCT FROM (seen_state, seen_epoch, seen_revision) THEN
        RETURN false;
    END IF;
    IF ((wanted ->> 'epoch')::bigint, (wanted ->> 'revision')::bigint) < (present.epoch, present.revision) THEN
        RAISE EXCEPTION 'a reign never goes back' USING ERRCODE = 'TG010';
    END IF;
    -- Nobody is promoted but who holds everything that was acknowledged, or by a consent that is on record.
    IF successor <> '' AND successor <> present.primary_member
       AND successor IS DISTINCT FROM present.record ->> 'old_primary'
       AND NOT (present.failover_safe AND present.record -> 'armed' ? successor)
       AND NOT coalesce((present.record -> 'request' ->> 'allow_data_loss')::boolean, false) THEN
        RAISE EXCEPTION '% may lack acknowledged commits', successor USING ERRCODE = 'TG010';
    END IF;
    UPDATE replication SET record = wanted, blocked = NULL, updated_at = clock_timestamp() WHERE instance_id = instance;
    SELECT m INTO standby FROM jsonb_array_elements_text(wanted -> 'members') AS m WHERE m <> successor LIMIT 1;
    UPDATE instances
       SET epoch = (wanted ->> 'epoch')::bigint,
           primary_k8s_name = coalesce(nullif(successor, ''), primary_k8s_name),
           standby_k8s_name = CASE WHEN successor = '' THEN standby_k8s_name ELSE standby END,
           replication_enabled = jsonb_array_length(wanted -> 'members') > 1,
           replication_status = CASE wanted ->> 'state' WHEN 'synced' THEN 'synchronized'
                                                        WHEN 'single' THEN NULL
                                                        WHEN 'creating' THEN NULL
                                                        WHEN 'degrading' THEN 'broken'
                                                        WHEN 'degraded' THEN 'broken'
                                                        ELSE 'syncing' END
     WHERE id = instance;
    IF successor <> '' THEN
        UPDATE members SET role = 'replica' WHERE instance_id = instance AND name <> successor AND removed_at IS NULL AND role <> 'replica';
        UPDATE members SET role = 'primary' WHERE instance_id = instance AND name = successor AND removed_at IS NULL AND role <> 'primary';
    END IF;
    INSERT INTO replication_events (instance_id, event_type, primary_name, standby_name, message, metadata, actor, operation_id)
    VALUES (instance, what, nullif(successor, ''), standby, why,
            jsonb_build_object('from', present.state, 'to', wanted ->> 'state', 'epoch', wanted -> 'epoch',
                               'revision', wanted -> 'revision', 'failover_safe', wanted -> 'failover_safe')
            || coalesce(evidence, '{}'), by_actor, by_operation);
    RETURN true;
END
$$;

CREATE OR REPLACE VIEW v_timeline AS
SELECT i.user_name, i.k8s_name, t.*
  FROM instances i
  JOIN (SELECT instance_id, created_at AS at, event_type AS what,
               concat_ws(' -> ', old_state, new_state) AS change, message, actor, request_id, operation_id
          FROM instance_events
        UNION ALL
        SELECT instance_id, created_at, 'operation_started', kind, NULL, caller, request_id, id FROM operations
        UNION ALL
        SELECT instance_id, finished_at, 'operation_finished', kind || ' ' || state, error ->> 'message', caller, request_id, id
          FROM operations WHERE finished_at IS NOT NULL
        UNION ALL
        SELECT instance_id, created_at, event_type,
               concat_ws(' -> ', metadata ->> 'from', nullif(metadata ->> 'to', metadata ->> 'from')),
               message, actor, NULL, operation_id
          FROM replication_events) t ON t.instance_id = i.id
 ORDER BY t.at;

ALTER VIEW v_invariants RENAME TO v_instance_invariants;
CREATE VIEW v_replication_invariants AS
SELECT 'running instance without a replication record' AS violation, i.k8s_name AS subject
  FROM instances i WHERE i.state = 'running' AND NOT EXISTS (SELECT FROM replication r WHERE r.instance_id = i.id)
UNION ALL
SELECT 'failover_safe while nobody is waited for', i.k8s_name
  FROM instances i JOIN replication r ON r.instance_id = i.id
 WHERE r.failover_safe AND jsonb_array_length(r.record -> 'armed') = 0
UNION ALL
SELECT 'a running instance that is still being created on record', i.k8s_name
  FROM instances i JOIN replication r ON r.instance_id = i.id WHERE i.state = 'running' AND r.state = 'creating'
UNION ALL
SELECT 'primary of the record is not the primary of the members', i.k8s_name
  FROM instances i JOIN replication r ON r.instance_id = i.id
 WHERE i.state = 'running' AND r.primary_member <> ''
   AND NOT EXISTS (SELECT FROM members m WHERE m.instance_id = i.id AND m.name = r.primary_member AND m.role = 'primary'
                                           AND m.removed_at IS NULL)
UNION ALL
SELECT 'two changes of roles in one epoch', i.k8s_name
  FROM failovers f JOIN instances i ON i.id = f.instance_id
 WHERE f.status = 'completed' GROUP BY i.k8s_name, f.epoch HAVING count(*) > 1
UNION ALL
SELECT 'change of roles that nobody works on', f.id
  FROM failovers f JOIN replication r ON r.instance_id = f.instance_id
  JOIN instances i ON i.id = f.instance_id AND i.state = 'running'
 WHERE f.completed_at IS NULL AND r.record ->> 'failover' IS DISTINCT FROM f.id;
CREATE VIEW v_invariants AS
SELECT * FROM v_instance_invariants UNION ALL SELECT * FROM v_replication_invariants;
