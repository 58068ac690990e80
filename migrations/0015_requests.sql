-- What a call with an idempotency key was answered, for a day: a repeat within it gets the same answer again. The key
-- stays on the operation as well, for servers of the release before this one that still run.

CREATE TABLE idempotency_keys (
    caller         text        NOT NULL,     -- a token's name
    key            text        NOT NULL,
    request_digest text        NOT NULL,
    operation_id   text        NOT NULL REFERENCES operations (id) ON DELETE RESTRICT,
    answer         text        NOT NULL,     -- the body, byte for byte
    created_at     timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT idempotency_keys_once PRIMARY KEY (caller, key)
);
CREATE INDEX idempotency_keys_created ON idempotency_keys (created_at);
CREATE INDEX operations_keyed ON operations (created_at) WHERE idempotency_key IS NOT NULL;

-- Frees the keys that are older than a day; of one caller and key, or all of them (NULL). How many.
CREATE FUNCTION free_idempotency_keys(of_caller text, of_key text) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    freed integer;
BEGIN
    UPDATE operations SET idempotency_key = NULL
     WHERE idempotency_key IS NOT NULL AND created_at < now() - interval '24 hours'
       AND (of_key IS NULL OR (caller, idempotency_key) = (of_caller, of_key));
    DELETE FROM idempotency_keys
     WHERE created_at < now() - interval '24 hours' AND (of_key IS NULL OR (caller, key) = (of_caller, of_key));
    GET DIAGNOSTICS freed = ROW_COUNT;
    RETURN freed;
END
$$;

-- Lists by name, and by tags.
CREATE INDEX instances_by_name ON instances (user_name COLLATE "C", id);
CREATE INDEX instances_tags ON instances USING gin (tags jsonb_path_ops);
