-- What was found of instances' health goes after a while, a day at a time.

-- Drops the days that ended longer ago than that, and deletes at most `batch` rows that lie in none: how many of both. A
-- day that somebody reads or writes stays for the next time, and so do all while another server is at it.
CREATE FUNCTION prune_health(older_than interval, batch integer) RETURNS integer
LANGUAGE plpgsql SET lock_timeout = '500ms' AS $$
DECLARE
    day  regclass;
    gone integer;
    days integer := 0;
BEGIN
    IF NOT pg_try_advisory_xact_lock(1953984360) THEN
        RETURN 0;
    END IF;
    DELETE FROM instance_health_checks_other
     WHERE ctid = ANY (ARRAY(SELECT ctid FROM instance_health_checks_other
                              WHERE checked_at < clock_timestamp() - older_than LIMIT batch));
    GET DIAGNOSTICS gone = ROW_COUNT;
    FOR day IN
        SELECT c.oid FROM pg_inherits h JOIN pg_class c ON c.oid = h.inhrelid
         WHERE h.inhparent = 'instance_health_checks'::regclass
           AND c.relname ~ '^instance_health_checks_[0-9]{8}$'
           AND to_date(right(c.relname, 8), 'YYYYMMDD') + 1 <= clock_timestamp() - older_than
    LOOP
        EXECUTE format('DROP TABLE %s', day);
        days := days + 1;
    END LOOP;
    RETURN gone + days;
EXCEPTION WHEN lock_not_available THEN
    RETURN 0;
END
$$;
