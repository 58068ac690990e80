-- The durable runtime: who owns which shard, what every orchestration recorded, what waits to be taken in.

-- One row per process that ever worked on this database. While it lives it holds the session advisory lock
-- (advisory class 1953984357, its key), so that its death is noticed with its socket.
CREATE TABLE workers (
    key          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name         text        NOT NULL,
    started_at   timestamptz NOT NULL DEFAULT now(),
    heartbeat_at timestamptz NOT NULL DEFAULT now(),
    left_at      timestamptz
);

-- Orchestration ids hash to shards; the owner of a shard alone runs what is in it. The epoch rises with every owner.
CREATE TABLE shards (
    shard       integer PRIMARY KEY,
    owner       bigint REFERENCES workers (key) ON DELETE RESTRICT,
    epoch       bigint      NOT NULL DEFAULT 0,
    lease_until timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);

INSERT INTO shards (shard) SELECT generate_series(0, 63);

CREATE TABLE orchestrations (
    key              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id               text        NOT NULL,
    shard            integer     NOT NULL REFERENCES shards (shard),
    name             text        NOT NULL,
    version          integer,                       -- pinned by the first turn
    execution        bigint      NOT NULL DEFAULT 1, -- rises with continue-as-new
    status           text        NOT NULL DEFAULT 'pending',
    parent           text,                          -- who started it: id, execution and position of the command
    parent_execution bigint,
    parent_event     bigint,
    detached         boolean     NOT NULL DEFAULT false,
    input            jsonb       NOT NULL,
    output           jsonb,
    error            jsonb,
    custom_status    jsonb,
    tags             jsonb       NOT NULL DEFAULT '{}',
    next_event       bigint      NOT NULL DEFAULT 1,
    created_at       timestamptz NOT NULL DEFAULT now(),
    updated_at       timestamptz NOT NULL DEFAULT now(),
    finished_at      timestamptz,
    CONSTRAINT orchestrations_id UNIQUE (id),
    CONSTRAINT orchestrations_status CHECK (status IN
        ('pending', 'running', 'completed', 'failed', 'cancelled', 'terminated', 'stuck'))
) WITH (fillfactor = 70);

-- What an owner has to load.
CREATE INDEX orchestrations_open ON orchestrations (shard) WHERE finished_at IS NULL;
CREATE INDEX orchestrations_created ON orchestrations (created_at, key);

-- One row per turn; the row is the turn's array of events. Never updated.
CREATE TABLE history (
    key         bigint      NOT NULL REFERENCES orchestrations (key) ON DELETE RESTRICT,
    execution   bigint      NOT NULL,
    first_event bigint      NOT NULL,
    events      jsonb       NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (key, execution, first_event)
);

-- Messages from outside the owner. Deleted in the turn that records them.
CREATE TABLE inbox (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    shard         integer     NOT NULL,
    orchestration text        NOT NULL,
    kind          text        NOT NULL,
    execution     bigint,                 -- of the receiver, where it matters
    event         bigint,                 -- position of the command that is answered
    name          text,                   -- of a signal
    payload       jsonb,
    dedup_key     text,
    created_at    timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT inbox_kind CHECK (kind IN ('start', 'signal', 'cancel', 'terminate', 'child_completed', 'child_failed',
                                          'step_completed')),
    CONSTRAINT inbox_dedup UNIQUE (orchestration, dedup_key)
);

CREATE INDEX inbox_shard ON inbox (shard, id);

-- One row per event, for a person with psql.
CREATE VIEW orchestration_events AS
SELECT o.id AS orchestration,
       h.execution,
       h.first_event + e.ordinality - 1 AS event,
       e.value ->> 'kind' AS kind,
       e.value ->> 'name' AS name,
       (e.value ->> 'of')::bigint AS answers,
       e.value ->> 'target' AS target,
       e.value -> 'data' AS data,
       e.value -> 'options' AS options,
       h.recorded_at
  FROM history h
  JOIN orchestrations o USING (key)
 CROSS JOIN LATERAL jsonb_array_elements(h.events) WITH ORDINALITY e;

-- The fence of every commit. The shared lock is taken before the epochs are read, and whoever takes shards over takes
-- it exclusively first; so the epochs cannot change between this check and the commit, at the cost of one lock per
-- commit and no locked row.
CREATE FUNCTION check_fence(worker bigint, owned integer[], epochs bigint[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(1953984358, worker::integer);
    IF EXISTS (SELECT FROM unnest(owned, epochs) AS claimed (shard, epoch)
               LEFT JOIN shards s ON s.shard = claimed.shard AND s.epoch = claimed.epoch AND s.owner = worker
               WHERE s.shard IS NULL) THEN
        RAISE EXCEPTION 'a shard of this commit belongs to another epoch' USING ERRCODE = 'TG001';
    END IF;
END
$$;

-- The last commit of each lane of a worker: how it is known whether a commit that gave no answer happened, and what
-- keeps it from happening twice. Lanes never wait for each other's row.
CREATE TABLE commit_lanes (
    worker bigint  NOT NULL REFERENCES workers (key) ON DELETE CASCADE,
    lane   integer NOT NULL,
    number bigint  NOT NULL,
    PRIMARY KEY (worker, lane)
) WITH (fillfactor = 50);

-- Fences a commit and takes its number. TG003: a commit of this lane has taken the number already.
CREATE FUNCTION begin_commit(of_worker bigint, owned integer[], epochs bigint[], of_lane integer, taken bigint)
RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM check_fence(of_worker, owned, epochs);
    INSERT INTO commit_lanes AS l VALUES (of_worker, of_lane, taken)
        ON CONFLICT (worker, lane) DO UPDATE SET number = excluded.number WHERE l.number < excluded.number;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'commit % of this lane has happened', taken USING ERRCODE = 'TG003';
    END IF;
END
$$;
