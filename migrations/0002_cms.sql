-- The business: instances, what was asked for, what happened. Nothing that was true is ever deleted.

CREATE TABLE instances (
    id                        uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    user_name                 text        NOT NULL,
    k8s_name                  text        NOT NULL,
    namespace                 text        NOT NULL,
    postgres_version          text        NOT NULL,
    storage_size_gb           integer     NOT NULL,
    use_load_balancer         boolean     NOT NULL DEFAULT true,
    dns_name                  text,
    ip_connection_string      text,       -- without a password: it lives in the Kubernetes Secret alone
    dns_connection_string     text,
    external_ip               text,
    state                     text        NOT NULL DEFAULT 'creating',
    health_status             text        NOT NULL DEFAULT 'unknown',
    message                   text,
    check_interval_ms         bigint      NOT NULL DEFAULT 30000,
    create_orchestration_id   text        NOT NULL,
    delete_orchestration_id   text,
    instance_actor_orchestration_id text,
    replication_enabled       boolean     NOT NULL DEFAULT false,
    primary_k8s_name          text,
    standby_k8s_name          text,
    replication_status        text,
    replication_lag_bytes     bigint,
    last_replication_check_at timestamptz,
    last_health_check_at      timestamptz,
    epoch                     bigint      NOT NULL DEFAULT 1,
    tags                      jsonb       NOT NULL DEFAULT '{}',
    created_by                text        NOT NULL,
    created_at                timestamptz NOT NULL DEFAULT now(),
    updated_at                timestamptz NOT NULL DEFAULT now(),
    deleted_at                timestamptz,
    CONSTRAINT instances_k8s_name UNIQUE (k8s_name),
    CONSTRAINT instances_state CHECK (state IN ('creating', 'running', 'deleting', 'deleted', 'failed')),
    CONSTRAINT instances_health CHECK (health_status IN ('healthy', 'unhealthy', 'unknown')),
    CONSTRAINT instances_replication CHECK (replication_status IN ('syncing', 'synchronized', 'lagging', 'broken')),
    CONSTRAINT instances_storage CHECK (storage_size_gb BETWEEN 1 AND 65536)
);
-- A name is held by at most one live instance; deletion frees it.
CREATE UNIQUE INDEX instances_name_live ON instances (user_name) WHERE state <> 'deleted';
CREATE INDEX instances_created ON instances (created_at DESC, id);

-- One PostgreSQL server with its own disk and a neutral name; roles move between them.
CREATE TABLE members (
    instance_id uuid        NOT NULL REFERENCES instances (id) ON DELETE RESTRICT,
    ordinal     integer     NOT NULL,
    name        text        NOT NULL,
    role        text        NOT NULL DEFAULT 'none',
    created_at  timestamptz NOT NULL DEFAULT now(),
    removed_at  timestamptz,
    PRIMARY KEY (instance_id, ordinal),
    CONSTRAINT members_role CHECK (role IN ('none', 'primary', 'replica'))
);
CREATE UNIQUE INDEX members_one_primary ON members (instance_id) WHERE role = 'primary' AND removed_at IS NULL;

-- One slow call of a user: what was asked, by whom, how it ended.
CREATE TABLE operations (
    id              text        PRIMARY KEY,
    kind            text        NOT NULL,
    instance_id     uuid        NOT NULL REFERENCES instances (id) ON DELETE RESTRICT,
    orchestration   text        NOT NULL,
    state           text        NOT NULL DEFAULT 'running',
    caller          text        NOT NULL,
    request_id      text        NOT NULL,
    idempotency_key text,
    request_digest  text        NOT NULL,
    result          jsonb,
    error           jsonb,
    created_at      timestamptz NOT NULL DEFAULT now(),
    finished_at     timestamptz,
    CONSTRAINT operations_kind CHECK (kind IN ('create_instance', 'delete_instance')),
    CONSTRAINT operations_state CHECK (state IN ('running', 'succeeded', 'failed', 'cancelled')),
    CONSTRAINT operations_idempotency UNIQUE (caller, idempotency_key)
);
CREATE UNIQUE INDEX operations_running ON operations (instance_id, kind) WHERE state = 'running';
CREATE INDEX operations_created ON operations (created_at DESC, id);

-- Who did what to an instance, and why. Written by set_instance_state and its sisters, never changed.
CREATE TABLE instance_events (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    instance_id  uuid        NOT NULL REFERENCES instances (id) ON DELETE RESTRICT,
    event_type   text        NOT NULL,
    old_state    text,
    new_state    text,
    message      text,
    metadata     jsonb       NOT NULL DEFAULT '{}',
    actor        text        NOT NULL,   -- a token's name, or the orchestration
    request_id   text,
    operation_id text,
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX instance_events_instance ON instance_events (instance_id, id);

-- Changes of health and one-minute summaries, not every check. By day.
CREATE TABLE instance_health_checks (
    instance_id      uuid        NOT NULL REFERENCES instances (id) ON DELETE RESTRICT,
    kind             text        NOT NULL,
    status           text        NOT NULL,
    postgres_version text,
    response_time_ms integer,
    checks           integer     NOT NULL DEFAULT 1,
    failures         integer     NOT NULL DEFAULT 0,
    error_message    text,
    checked_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT health_kind CHECK (kind IN ('transition', 'rollup')),
    CONSTRAINT health_status CHECK (status IN ('healthy', 'unhealthy', 'unknown'))
) PARTITION BY RANGE (checked_at);
CREATE TABLE instance_health_checks_other PARTITION OF instance_health_checks DEFAULT;
CREATE INDEX instance_health_checks_instance ON instance_health_checks (instance_id, checked_at);

-- Makes the partitions of the next days; those that exist stay.
CREATE FUNCTION make_health_partitions(ahead integer) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    day  date;
    made integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(1953984360);
    FOR day IN SELECT current_date + n FROM generate_series(1, ahead) n LOOP
        CONTINUE WHEN to_regclass(format('instance_health_checks_%s', to_char(day, 'YYYYMMDD'))) IS NOT NULL;
        EXECUTE format('CREATE TABLE instance_health_checks_%s PARTITION OF instance_health_checks FOR VALUES FROM (%L) TO (%L)',
                       to_char(day, 'YYYYMMDD'), day, day + 1);
        made := made + 1;
    END LOOP;
    RETURN made;
END
$$;

CREATE TABLE replication_events (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    instance_id  uuid        NOT NULL REFERENCES instances (id) ON DELETE RESTRICT,
    event_type   text        NOT NULL,
    primary_name text,
    standby_name text,
    lag_bytes    bigint,
    message      text,
    metadata     jsonb       NOT NULL DEFAULT '{}',
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE failovers (
    id               text        PRIMARY KEY,
    instance_id      uuid        NOT NULL REFERENCES instances (id) ON DELETE RESTRICT,
    kind             text        NOT NULL,
    status           text        NOT NULL,
    old_primary      text,
    new_primary      text,
    epoch            bigint,
    reason           text,
    lag_bytes        bigint,
    data_loss_bytes  bigint,
    inputs           jsonb       NOT NULL DEFAULT '{}',
    started_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    completed_at     timestamptz
);

CREATE TABLE drift_detections (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    detection_type text        NOT NULL,
    k8s_name       text,
    cms_state      text,
    k8s_exists     boolean,
    message        text,
    metadata       jsonb       NOT NULL DEFAULT '{}',
    detected_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    resolved_at    timestamptz,
    resolved_by    text,
    CONSTRAINT drift_type CHECK (detection_type IN ('orphaned_k8s', 'orphaned_cms', 'state_mismatch'))
);

-- Bearer tokens: their SHA-256, never themselves.
CREATE TABLE api_tokens (
    id           uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    name         text        NOT NULL,
    token_sha256 text        NOT NULL,
    scope        text        NOT NULL DEFAULT 'write',
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz,
    revoked_at   timestamptz,
    CONSTRAINT api_tokens_digest UNIQUE (token_sha256),
    CONSTRAINT api_tokens_scope CHECK (scope IN ('read', 'write'))
);
CREATE UNIQUE INDEX api_tokens_name ON api_tokens (name) WHERE revoked_at IS NULL;

-- What a user gave that must reach a Kubernetes Secret: sealed, and gone with the step that used it.
CREATE TABLE sealed_secrets (
    instance_id uuid NOT NULL REFERENCES instances (id) ON DELETE RESTRICT,
    name        text NOT NULL,
    sealed      text NOT NULL,
    PRIMARY KEY (instance_id, name)
);

-- ---------------------------------------------------------------------------------------------------- guards

CREATE FUNCTION refuse_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'TG002';
END
$$;
CREATE TRIGGER instance_events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON instance_events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER replication_events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON replication_events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER instances_kept BEFORE DELETE OR TRUNCATE ON instances
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER operations_kept BEFORE DELETE OR TRUNCATE ON operations
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER failovers_kept BEFORE DELETE OR TRUNCATE ON failovers
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER history_append_only BEFORE UPDATE ON history
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- State and health change through the functions below alone, so that every change has its event.
CREATE FUNCTION guard_instance() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.state <> OLD.state OR NEW.health_status <> OLD.health_status)
       AND coalesce(current_setting('toygres.guarded', true), '') <> 'yes' THEN
        RAISE EXCEPTION 'state and health of an instance change through set_instance_state and set_instance_health'
            USING ERRCODE = 'TG002';
    END IF;
    NEW.updated_at := clock_timestamp();
    RETURN NEW;
END
$$;
CREATE TRIGGER instances_guard BEFORE UPDATE ON instances FOR EACH ROW EXECUTE FUNCTION guard_instance();

CREATE FUNCTION note_creation() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO instance_events (instance_id, event_type, new_state, message, actor, request_id)
    VALUES (NEW.id, 'state_change', NEW.state, 'creation requested', NEW.created_by,
            nullif(current_setting('toygres.request_id', true), ''));
    RETURN NULL;
END
$$;
CREATE TRIGGER instances_created_event AFTER INSERT ON instances FOR EACH ROW EXECUTE FUNCTION note_creation();

-- Moves an instance to a state that may follow its present one, and writes the event. To be in that state already is no
-- error (false). TG010: not a transition; TG011: no such instance.
CREATE FUNCTION set_instance_state(instance uuid, wanted text, by_actor text, by_request text, by_operation text,
                                   reason text, details jsonb DEFAULT '{}') RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    present text;
BEGIN
    SELECT state INTO present FROM instances WHERE id = instance FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no instance %', instance USING ERRCODE = 'TG011';
    END IF;
    IF present = wanted THEN
        RETURN false;
    END IF;
    IF (present, wanted) NOT IN (('creating', 'running'), ('creating', 'failed'), ('creating', 'deleting'),
                                 ('running', 'deleting'), ('failed', 'deleting'), ('deleting', 'deleted')) THEN
        RAISE EXCEPTION 'an instance that is % cannot become %', present, wanted USING ERRCODE = 'TG010';
    END IF;
    PERFORM set_config('toygres.guarded', 'yes', true);
    UPDATE instances
       SET state = wanted, message = reason,
           deleted_at = CASE WHEN wanted = 'deleted' THEN clock_timestamp() END,
           health_status = CASE WHEN wanted IN ('deleted', 'failed') THEN 'unknown' ELSE health_status END
     WHERE id = instance;
    PERFORM set_config('toygres.guarded', '', true);
    INSERT INTO instance_events (instance_id, event_type, old_state, new_state, message, metadata, actor, request_id, operation_id)
    VALUES (instance, 'state_change', present, wanted, reason, details, by_actor, by_request, by_operation);
    RETURN true;
END
$$;

CREATE FUNCTION set_instance_health(instance uuid, wanted text, by_actor text, reason text) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    present text;
BEGIN
    SELECT health_status INTO present FROM instances WHERE id = instance FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no instance %', instance USING ERRCODE = 'TG011';
    END IF;
    IF present = wanted THEN
        RETURN false;
    END IF;
    PERFORM set_config('toygres.guarded', 'yes', true);
    UPDATE instances SET health_status = wanted WHERE id = instance;
    PERFORM set_config('toygres.guarded', '', true);
    INSERT INTO instance_events (instance_id, event_type, old_state, new_state, message, actor)
    VALUES (instance, 'health_change', present, wanted, reason, by_actor);
    RETURN true;
END
$$;

-- ----------------------------------------------------------------------------------------------------- views

CREATE VIEW v_instances AS
SELECT i.id, i.user_name, i.k8s_name, i.namespace, i.state, i.health_status, i.message, i.postgres_version,
       i.storage_size_gb, i.external_ip, i.ip_connection_string, i.dns_connection_string, i.created_by, i.created_at,
       i.updated_at, i.deleted_at, i.last_health_check_at,
       (SELECT count(*) FROM instance_events e WHERE e.instance_id = i.id) AS events
  FROM instances i;

-- All that happened to an instance, in order; deleted ones too.
CREATE VIEW v_timeline AS
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
        SELECT instance_id, created_at, event_type, concat_ws(' -> ', primary_name, standby_name), message, NULL, NULL, NULL
          FROM replication_events) t ON t.instance_id = i.id
 ORDER BY t.at;

CREATE VIEW v_failovers AS
SELECT i.user_name, f.* FROM failovers f JOIN instances i ON i.id = f.instance_id ORDER BY f.started_at;

-- No row when all is well.
CREATE VIEW v_invariants AS
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
SELECT 'operation without an orchestration', p.id
  FROM operations p WHERE NOT EXISTS (SELECT FROM orchestrations o WHERE o.id = p.orchestration)
UNION ALL
SELECT 'sealed secret of an instance that is not being created', i.k8s_name
  FROM sealed_secrets s JOIN instances i ON i.id = s.instance_id WHERE i.state NOT IN ('creating', 'deleting')
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
