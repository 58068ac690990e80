-- Who was refused, and who did what only few may do. A privileged call has its row before it does anything; what came
-- of it is filled in once.

CREATE TABLE audit_log (
    id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    caller     text,                             -- a token's name; none: no valid token was shown
    owner      text,                             -- whom that token speaks for
    peer       text        NOT NULL,             -- the address that the call came from
    action     text        NOT NULL,             -- "credentials.read", or "GET /api/v1/instances" of what was refused
    object     text,                             -- the name or id that it was about
    outcome    text        NOT NULL,
    status     integer,                          -- of the answer
    code       text,                             -- of its problem
    request_id text        NOT NULL,
    left_out   integer     NOT NULL DEFAULT 0,   -- so many refusals of that address before this one have no row
    CONSTRAINT audit_log_outcome CHECK (outcome IN ('begun', 'done', 'denied', 'failed'))
);
CREATE INDEX audit_log_at ON audit_log (at);

CREATE FUNCTION guard_audit() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF coalesce(current_setting('toygres.pruning', true), '') <> 'yes' THEN
            RAISE EXCEPTION 'the audit is deleted by prune_audit alone' USING ERRCODE = 'TG002';
        END IF;
        RETURN OLD;
    END IF;
    IF OLD.outcome <> 'begun'
       OR (NEW.id, NEW.at, NEW.peer, NEW.action, NEW.request_id, NEW.left_out)
          IS DISTINCT FROM (OLD.id, OLD.at, OLD.peer, OLD.action, OLD.request_id, OLD.left_out)
       OR (NEW.caller, NEW.owner) IS DISTINCT FROM (OLD.caller, OLD.owner)
       OR (OLD.object IS NOT NULL AND NEW.object IS DISTINCT FROM OLD.object) THEN
        RAISE EXCEPTION 'the audit does not change' USING ERRCODE = 'TG002';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER audit_log_kept BEFORE UPDATE OR DELETE ON audit_log FOR EACH ROW EXECUTE FUNCTION guard_audit();
CREATE TRIGGER audit_log_not_truncated BEFORE TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Deletes what is older than that, a batch at a time: how many.
CREATE FUNCTION prune_audit(older_than interval, batch integer) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    gone integer;
BEGIN
    PERFORM set_config('toygres.pruning', 'yes', true);
    DELETE FROM audit_log
     WHERE id IN (SELECT id FROM audit_log WHERE at < clock_timestamp() - older_than ORDER BY at LIMIT batch);
    GET DIAGNOSTICS gone = ROW_COUNT;
    PERFORM set_config('toygres.pruning', '', true);
    RETURN gone;
END
$$;
