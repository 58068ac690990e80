#include "agent/source.hpp"

#include "base/json.hpp"

namespace toygres::agent {
namespace {

constexpr std::chrono::minutes checkpoint_limit{20};

constexpr const char* source_query = R"sql(
SELECT json_build_object(
  'in_recovery', r,
  'system_identifier', (SELECT system_identifier::text FROM pg_control_system()),
  'timeline', CASE WHEN NOT r THEN ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int END,
  'checkpoint_timeline', (SELECT timeline_id FROM pg_control_checkpoint()),
  'size_bytes', (SELECT sum(pg_database_size(oid))::bigint FROM pg_database))
FROM (SELECT pg_is_in_recovery() AS r) AS s;
)sql";

struct Answer {
    bool in_recovery;
    std::string system_identifier;
    std::optional<std::int64_t> timeline;
    std::int64_t checkpoint_timeline;
    std::int64_t size_bytes;
};
BOOST_DESCRIBE_STRUCT(Answer, (), (in_recovery, system_identifier, timeline, checkpoint_timeline, size_bytes))

Result<Answer> read_answer(const std::string& rows) {
    const auto json = parse_json(rows);
    if (!json) return std::unexpected(json.error());
    try {
        return decode<Answer>(*json);
    } catch (const ErrorException& e) {
        return std::unexpected(e.error());
    }
}

}  // namespace

asio::awaitable<Result<Source>> ask_source(const Psql& psql, std::string member) {
    const auto rows = co_await psql.run_on(member, source_query);
    if (!rows) co_return std::unexpected(rows.error());
    const auto read = read_answer(*rows);
    if (!read) co_return std::unexpected(read.error());
    const auto& answer = *read;
    if (answer.in_recovery || !answer.timeline)
        co_return std::unexpected(Error{ErrorKind::transient, "source_in_recovery", member + " is not read-write yet"});
    if (answer.checkpoint_timeline != *answer.timeline)
        if (const auto done = co_await psql.run_on(member, "CHECKPOINT;\n", checkpoint_limit); !done)
            co_return std::unexpected(done.error());
    co_return Source{answer.system_identifier, *answer.timeline, answer.size_bytes};
}

}  // namespace toygres::agent
