-- Whose the objects in a cluster are: several installations may work in one cluster, each with a CMS of its own.

CREATE TABLE installation (
    id      uuid    PRIMARY KEY DEFAULT gen_random_uuid(),
    is_here boolean NOT NULL DEFAULT true,
    CONSTRAINT installation_once UNIQUE (is_here),
    CONSTRAINT installation_is_here CHECK (is_here)
);
INSERT INTO installation DEFAULT VALUES;
CREATE TRIGGER installation_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON installation
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE INDEX failovers_started ON failovers (started_at);
