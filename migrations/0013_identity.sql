-- Who may do what: tokens have a role and speak for somebody, and an instance belongs to somebody. A server of the
-- release before this one still runs while this is in place, so what it writes is completed here.

ALTER TABLE api_tokens ADD COLUMN role text;
ALTER TABLE api_tokens ADD COLUMN owner text;
ALTER TABLE api_tokens ADD COLUMN last_used_at timestamptz;
UPDATE api_tokens SET role = CASE scope WHEN 'write' THEN 'admin' ELSE 'viewer' END, owner = name;
ALTER TABLE api_tokens ALTER COLUMN role SET NOT NULL;
ALTER TABLE api_tokens ALTER COLUMN owner SET NOT NULL;
ALTER TABLE api_tokens ADD CONSTRAINT api_tokens_role CHECK (role IN ('viewer', 'operator', 'admin'));
ALTER TABLE api_tokens ALTER COLUMN scope DROP DEFAULT;

-- `scope` is what that server goes by: it lets an operator read, which is less than he may.
CREATE FUNCTION complete_token() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    NEW.role := coalesce(NEW.role, CASE WHEN NEW.scope = 'read' THEN 'viewer' ELSE 'admin' END);
    NEW.scope := CASE NEW.role WHEN 'admin' THEN 'write' ELSE 'read' END;
    NEW.owner := coalesce(NEW.owner, NEW.name);
    RETURN NEW;
END
$$;
CREATE TRIGGER api_tokens_complete BEFORE INSERT ON api_tokens FOR EACH ROW EXECUTE FUNCTION complete_token();
CREATE INDEX api_tokens_created ON api_tokens (created_at DESC, id);

ALTER TABLE instances ADD COLUMN owner text;
-- Nothing happened to them: updated_at stays.
ALTER TABLE instances DISABLE TRIGGER instances_guard;
UPDATE instances SET owner = created_by;
ALTER TABLE instances ENABLE TRIGGER instances_guard;
ALTER TABLE instances ALTER COLUMN owner SET NOT NULL;

CREATE FUNCTION complete_instance() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    NEW.owner := coalesce(NEW.owner, NEW.created_by);
    RETURN NEW;
END
$$;
CREATE TRIGGER instances_complete BEFORE INSERT ON instances FOR EACH ROW EXECUTE FUNCTION complete_instance();

-- Gives an instance to somebody else, and writes the event. To belong to him already is no error (false). TG011: no such
-- instance.
CREATE FUNCTION set_instance_owner(instance uuid, wanted text, by_actor text, by_request text) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    present text;
BEGIN
    SELECT owner INTO present FROM instances WHERE id = instance FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no instance %', instance USING ERRCODE = 'TG011';
    END IF;
    IF present = wanted THEN
        RETURN false;
    END IF;
    UPDATE instances SET owner = wanted WHERE id = instance;
    INSERT INTO instance_events (instance_id, event_type, old_state, new_state, message, actor, request_id)
    VALUES (instance, 'owner_change', present, wanted, 'it belongs to somebody else', by_actor, by_request);
    RETURN true;
END
$$;

CREATE OR REPLACE VIEW v_instances AS
SELECT i.id, i.user_name, i.k8s_name, i.namespace, i.state, i.health_status, i.message, i.postgres_version,
       i.storage_size_gb, i.external_ip, i.ip_connection_string, i.dns_connection_string, i.created_by, i.created_at,
       i.updated_at, i.deleted_at, i.last_health_check_at,
       (SELECT count(*) FROM instance_events e WHERE e.instance_id = i.id) AS events, i.owner
  FROM instances i;

-- The superuser's password can be changed: the new and the old one are sealed while that goes on, and gone with it.
ALTER TABLE operations DROP CONSTRAINT operations_kind;
ALTER TABLE operations ADD CONSTRAINT operations_kind CHECK (kind IN
    ('create_instance', 'delete_instance', 'switchover', 'failover', 'promote', 'resync', 'hold', 'resume', 'add_replica',
     'remove_replica', 'configure_replication', 'verify_replication', 'rotate_password'));

CREATE FUNCTION drop_rotation_seals() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM sealed_secrets
     WHERE instance_id = NEW.instance_id AND name IN ('new_superuser_password', 'old_superuser_password');
    RETURN NULL;
END
$$;
CREATE TRIGGER operations_drop_seals AFTER UPDATE OF state ON operations
    FOR EACH ROW WHEN (NEW.kind = 'rotate_password' AND OLD.state = 'running' AND NEW.state <> 'running')
    EXECUTE FUNCTION drop_rotation_seals();

-- As before, but for the seals of a change of password.
CREATE OR REPLACE VIEW v_instance_invariants AS
SELECT 'running instance without its monitor' AS violation, i.k8s_name AS subject
  FROM instances i
 WHERE i.state = 'running' AND NOT EXISTS (SELECT FROM orchestrations o
       WHERE o.id = 'health-' || i.k8s_name AND o.finished_at IS NULL)
UNION ALL
SELECT 'deleted or failed instance with a monitor', i.k8s_name
  FROM instances i JOIN orchestrations o ON o.id = 'health-' || i.k8s_name AND o.finished_at IS NULL
 WHERE i.state IN ('deleted', 'failed')
UNION ALL
SELECT 'creating instance whose creation has ended', i.k8s_name
  FROM instances i JOIN orchestrations o ON o.id = i.create_orchestration_id AND o.finished_at IS NOT NULL
 WHERE i.state = 'creating'
UNION ALL
SELECT 'running operation whose orchestration has ended', p.id
  FROM operations p JOIN orchestrations o ON o.id = p.orchestration AND o.finished_at IS NOT NULL
 WHERE p.state = 'running' AND o.finished_at < clock_timestamp()
UNION ALL
SELECT 'running operation without an orchestration', p.id
  FROM operations p
 WHERE p.state = 'running' AND NOT EXISTS (SELECT FROM orchestrations o WHERE o.id = p.orchestration)
UNION ALL
SELECT 'sealed secret of an instance that is not being created', i.k8s_name
  FROM sealed_secrets s JOIN instances i ON i.id = s.instance_id
 WHERE i.state NOT IN ('creating', 'deleting')
   AND NOT EXISTS (SELECT FROM operations p
                    WHERE p.instance_id = i.id AND p.kind = 'rotate_password' AND p.state = 'running')
UNION ALL
SELECT 'running instance without exactly one primary', i.k8s_name
  FROM instances i
 WHERE i.state = 'running'
   AND (SELECT count(*) FROM members m WHERE m.instance_id = i.id AND m.role = 'primary' AND m.removed_at IS NULL) <> 1
UNION ALL
SELECT 'history with a gap or a surplus', o.id
  FROM orchestrations o
 WHERE (SELECT coalesce(sum(jsonb_array_length(h.events)), 0) FROM history h
         WHERE h.key = o.key AND h.execution = o.execution) <> o.next_event - 1
   AND o.status <> 'terminated'
UNION ALL
SELECT 'answer recorded twice', e.orchestration
  FROM orchestration_events e
 WHERE e.answers IS NOT NULL AND e.kind <> 'cancelled' AND e.kind <> 'child_cancelled'
 GROUP BY e.orchestration, e.execution, e.answers HAVING count(*) > 1;
