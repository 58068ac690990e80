// The SQL of the PostgreSQL store, and how its rows become records.
#pragma once
#include "pg/rows.hpp"
#include "runtime/store/records.hpp"

namespace toygres::runtime::queries {

using pg::Query;

// Advisory lock classes: "tgrs" for a worker's life, the next for its commits (see check_fence in 0001_runtime.sql).
inline constexpr int worker_lock_class = 1953984357;
inline constexpr int commit_lock_class = 1953984358;

inline constexpr Query join{"runtime.join", "INSERT INTO workers (name) VALUES ($1) RETURNING key"};
inline constexpr Query lock_worker{"runtime.lock_worker", "SELECT pg_try_advisory_lock(1953984357, $1::integer)"};
inline constexpr Query heartbeat{"runtime.heartbeat",
                                 "UPDATE workers SET heartbeat_at = clock_timestamp() WHERE key = $1"};
inline constexpr Query renew{"runtime.renew",
                             "UPDATE shards SET lease_until = clock_timestamp() + $2::bigint * interval '1 ms' "
                             "WHERE owner = $1"};
inline constexpr Query shards{
    "runtime.shards",
    // Just after a restart of the database nobody's session stands; a worker that has not been heard of since may still
    // come back, so it counts as connected for a while.
    "SELECT s.shard, coalesce(s.owner, 0), s.epoch, "
    "floor(extract(epoch FROM s.lease_until - clock_timestamp()) * 1000)::bigint, coalesce(l.objid IS NOT NULL OR "
    "(w.heartbeat_at <= pg_postmaster_start_time() AND pg_postmaster_start_time() > clock_timestamp() - interval '10 "
    "s'), false) "
    "FROM shards s LEFT JOIN workers w ON w.key = s.owner "
    "LEFT JOIN pg_locks l ON l.locktype = 'advisory' AND l.classid = 1953984357 AND l.granted "
    "AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
    "AND l.objid::bigint = s.owner ORDER BY s.shard"};
inline constexpr Query live_workers{"runtime.live_workers",
                                    // Who has left may hold its lock until its session has ended.
                                    "SELECT w.key FROM pg_locks l "
                                    "JOIN workers w ON w.key = l.objid::bigint AND w.left_at IS NULL WHERE l.locktype "
                                    "= 'advisory' AND l.classid = 1953984357 AND l.granted "
                                    "AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
                                    "AND w.heartbeat_at > clock_timestamp() - $1::bigint * interval '1 ms'"};
inline constexpr Query owned{"runtime.owned", "SELECT shard, epoch FROM shards WHERE owner = $1"};
inline constexpr Query lock_commits{"runtime.lock_commits", "SELECT pg_advisory_xact_lock(1953984358, $1::integer)"};
inline constexpr Query end_commits{
    "runtime.end_commits",
    "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND classid = 1953984358 "
    "AND objid::bigint = $1 AND granted AND pid <> pg_backend_pid() "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"};
inline constexpr Query claim{"runtime.claim",
                             "UPDATE shards s SET owner = $1, epoch = s.epoch + 1, "
                             "lease_until = clock_timestamp() + $2::bigint * interval '1 ms' "
                             "FROM unnest($3::integer[], $4::bigint[]) AS seen (shard, epoch) "
                             "WHERE s.shard = seen.shard AND s.epoch = seen.epoch RETURNING s.shard, s.epoch"};
inline constexpr Query release{"runtime.release",
                               "UPDATE shards SET owner = NULL WHERE owner = $1 AND shard = ANY ($2::integer[])"};
inline constexpr Query leave{"runtime.leave", "UPDATE workers SET left_at = clock_timestamp() WHERE key = $1"};

// Plans are made once a session, perhaps while the tables are nearly empty: without this they would go on scanning
// whole tables that have grown since. And only plain index scans leave out what is dead when they come by again, which
// is most of the inbox's index.
inline constexpr Query prefer_indexes{
    "runtime.prefer_indexes",
    "SELECT set_config(name, 'off', false) FROM unnest(ARRAY['enable_seqscan', 'enable_bitmapscan', 'enable_hashjoin', "
    "'enable_mergejoin']) AS name"};
inline constexpr Query fence{"runtime.fence", "SELECT check_fence($1::bigint, $2::integer[], $3::bigint[])"};
inline constexpr Query begin_commit{
    "runtime.begin_commit", "SELECT begin_commit($1::bigint, $2::integer[], $3::bigint[], $4::integer, $5::bigint)"};
inline constexpr Query last_commit{"runtime.last_commit",
                                   "SELECT number FROM commit_lanes WHERE worker = $1 AND lane = $2"};
inline constexpr Query add_history{"runtime.add_history",
                                   "INSERT INTO history (key, execution, first_event, events) "
                                   "SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::jsonb[])"};
inline constexpr Query advance{
    "runtime.advance",
    "UPDATE orchestrations o SET version = coalesce(nullif(t.version, 0), o.version), execution = t.execution, "
    "next_event = t.next_event, status = t.status, output = t.output, error = t.error, "
    "custom_status = coalesce(t.custom_status, o.custom_status), input = coalesce(t.input, o.input), "
    "updated_at = clock_timestamp(), finished_at = CASE WHEN t.finished THEN clock_timestamp() END "
    "FROM unnest($1::bigint[], $2::integer[], $3::bigint[], $4::bigint[], $5::text[], $6::jsonb[], $7::jsonb[], "
    "$8::jsonb[], $9::jsonb[], $10::boolean[]) AS t (key, version, execution, next_event, status, output, error, "
    "custom_status, input, finished) WHERE o.key = t.key"};
inline constexpr Query consume{"runtime.consume", "DELETE FROM inbox WHERE id = ANY ($1::bigint[])"};
// The first answer stands.
inline constexpr Query answer{"runtime.answer",
                              "INSERT INTO answers (orchestration, request, answer) SELECT * FROM unnest($1::text[], "
                              "$2::text[], $3::jsonb[]) ON CONFLICT DO NOTHING"};
// A message to an orchestration that does not exist or has ended is dropped: nobody is left to take it.
inline constexpr Query deliver{
    "runtime.deliver",
    "INSERT INTO inbox (shard, orchestration, kind, execution, event, payload, dedup_key) "
    "SELECT o.shard, o.id, m.kind, m.execution, m.event, m.payload, m.dedup_key "
    "FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::jsonb[], $6::text[]) "
    "AS m (orchestration, kind, execution, event, payload, dedup_key) "
    "JOIN orchestrations o ON o.id = m.orchestration AND o.finished_at IS NULL "
    "ON CONFLICT (orchestration, dedup_key) DO NOTHING RETURNING id, orchestration, dedup_key"};
// $10: 'replace_terminal' begins a new execution of an ended one.
inline constexpr Query start{
    "runtime.start",
    "WITH made AS (INSERT INTO orchestrations AS o (id, shard, name, input, parent, parent_execution, parent_event, "
    "detached, tags, request) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $11) ON CONFLICT (id) DO UPDATE SET "
    "name = excluded.name, version = NULL, input = excluded.input, execution = o.execution + 1, status = 'pending', "
    "parent = excluded.parent, parent_execution = excluded.parent_execution, parent_event = excluded.parent_event, "
    "detached = excluded.detached, tags = excluded.tags, request = excluded.request, output = NULL, error = NULL, "
    "custom_status = NULL, next_event = 1, "
    "finished_at = NULL, updated_at = now() "
    "WHERE $10 = 'replace_terminal' AND o.finished_at IS NOT NULL AND (o.request = $11) IS NOT TRUE "
    "RETURNING key, shard, id), "
    "note AS (INSERT INTO inbox (shard, orchestration, kind) SELECT shard, id, 'start' FROM made RETURNING id) "
    "SELECT made.key, note.id FROM made, note"};
inline constexpr Query find_start{
    "runtime.find_start",
    "SELECT key, status, parent IS NOT DISTINCT FROM $2 AND parent_execution IS NOT DISTINCT FROM $3 "
    "AND parent_event IS NOT DISTINCT FROM $4, (request = $5) IS TRUE FROM orchestrations WHERE id = $1"};
inline constexpr Query complete_step{
    "runtime.complete_step",
    "INSERT INTO inbox (shard, orchestration, kind, execution, event, payload, dedup_key) "
    "VALUES ($1, $2, 'step_completed', $3, $4, $5, $6) RETURNING id"};
inline constexpr Query find_step{"runtime.find_step",
                                 "SELECT id, payload FROM inbox WHERE orchestration = $1 AND dedup_key = $2"};

// What to_orchestration() reads.
#define TOYGRES_ROW_COLUMNS                                                                                        \
    "key, id, name, version, execution, status, parent, parent_execution, parent_event, detached, input, output, " \
    "error, custom_status, tags, next_event, created_at, updated_at, finished_at FROM orchestrations "
inline constexpr Query load_open{"runtime.load_open",
                                 "SELECT " TOYGRES_ROW_COLUMNS
                                 "WHERE shard = ANY ($1::integer[]) AND finished_at IS NULL ORDER BY key"};
// One look into the index for each id, whatever the planner thinks of the table's size.
inline constexpr Query load{
    "runtime.load", "SELECT o.* FROM unnest($1::text[]) AS wanted (id) CROSS JOIN LATERAL (SELECT " TOYGRES_ROW_COLUMNS
                    "WHERE orchestrations.id = wanted.id OFFSET 0) o"};
inline constexpr Query load_history{
    "runtime.load_history", "SELECT events FROM history WHERE key = $1 AND execution = $2 ORDER BY first_event"};
inline constexpr Query load_inbox{
    "runtime.load_inbox",
    "SELECT id, orchestration, kind, coalesce(execution, 0), coalesce(event, 0), coalesce(name, ''), payload, "
    "coalesce(dedup_key, '') FROM inbox WHERE shard = ANY ($1::integer[]) ORDER BY id"};
inline constexpr Query notify{"runtime.notify", "SELECT pg_notify('toygres_runtime', $1)"};
inline constexpr Query find_receiver{"runtime.find_receiver",
                                     "SELECT shard, finished_at IS NOT NULL FROM orchestrations WHERE id = $1"};
inline constexpr Query send{
    "runtime.send",
    "INSERT INTO inbox (shard, orchestration, kind, name, payload, dedup_key) VALUES ($1, $2, $3, $4, $5, $6) "
    "ON CONFLICT (orchestration, dedup_key) DO NOTHING"};

OrchestrationRow to_orchestration(const pg::Row& row);
Message to_message(const pg::Row& row);
pg::Params start_params(const StartRequest& request);
pg::Params find_start_params(const StartRequest& request);
// Of a start that made something.
StartOutcome started(const pg::Rows& made);
// `made` and `found` are the answers to start and find_start. Error: conflict/"orchestration_exists".
Result<StartOutcome> start_outcome(const StartRequest& request, const pg::Rows& made, const pg::Rows& found);

}  // namespace toygres::runtime::queries
