-- Standbys that come and go, settings of all instances, and what people should look at.

ALTER TABLE operations DROP CONSTRAINT operations_kind;
ALTER TABLE operations ADD CONSTRAINT operations_kind CHECK (kind IN
    ('create_instance', 'delete_instance', 'switchover', 'failover', 'promote', 'resync', 'hold', 'resume', 'add_replica',
     'remove_replica', 'configure_replication', 'verify_replication'));

-- ha::Alert values that last: written when they begin and end, each with its event.
ALTER TABLE replication ADD COLUMN alerts jsonb NOT NULL DEFAULT '[]';

-- What holds for all instances: the newest row of a name is in force, the others tell who changed what.
CREATE TABLE fleet_settings (
    id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name       text        NOT NULL,
    value      jsonb       NOT NULL,
    reason     text        NOT NULL,
    actor      text        NOT NULL,
    request_id text        NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT fleet_settings_name CHECK (name IN ('automatic_failover'))
);
CREATE INDEX fleet_settings_newest ON fleet_settings (name, id);
CREATE TRIGGER fleet_settings_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON fleet_settings
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- The members' rows follow the record. A number is never given twice, so a row that is removed stays so.
CREATE FUNCTION follow_members() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO members (instance_id, ordinal, name, role)
    SELECT NEW.instance_id, substring(m FROM '-([0-9]+)$')::integer, m, 'replica'
      FROM jsonb_array_elements_text(NEW.record -> 'members') AS m
     WHERE NOT EXISTS (SELECT FROM members o WHERE o.instance_id = NEW.instance_id AND o.name = m);
    UPDATE members SET removed_at = clock_timestamp(), role = 'none'
     WHERE instance_id = NEW.instance_id AND removed_at IS NULL AND NOT NEW.record -> 'members' ? name;
    RETURN NEW;
END
$$;
CREATE TRIGGER replication_members BEFORE UPDATE OF record ON replication
    FOR EACH ROW WHEN (NEW.record -> 'members' IS DISTINCT FROM OLD.record -> 'members') EXECUTE FUNCTION follow_members();

CREATE OR REPLACE VIEW v_invariants AS
SELECT * FROM v_instance_invariants UNION ALL SELECT * FROM v_replication_invariants
UNION ALL
SELECT 'members of the record are not the members', i.k8s_name
  FROM instances i JOIN replication r ON r.instance_id = i.id
 WHERE i.state = 'running'
   AND (SELECT coalesce(jsonb_agg(m.name ORDER BY m.name), '[]') FROM members m WHERE m.instance_id = i.id AND m.removed_at IS NULL)
       <> (SELECT coalesce(jsonb_agg(n ORDER BY n), '[]') FROM jsonb_array_elements_text(r.record -> 'members') AS n)
UNION ALL
SELECT 'a standby that leaves is still waited for', i.k8s_name
  FROM instances i JOIN replication r ON r.instance_id = i.id,
       jsonb_each(coalesce(r.record -> 'standbys', '{}')) AS s (member, what)
 WHERE what ->> 'standing' IN ('leaving', 'removed') AND r.record -> 'armed' ? member;
