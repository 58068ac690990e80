#include "cms/drift.hpp"

#include "cms/errors.hpp"

namespace toygres::cms {
namespace {

using pg::params;
using pg::Query;

constexpr Query installation_query{"cms.installation", "SELECT id FROM installation"};
constexpr Query on_record_query{
    "cms.on_record",
    "SELECT i.id, i.user_name, i.k8s_name, i.namespace, i.state, r.record FROM instances i LEFT JOIN replication r ON "
    "r.instance_id = i.id WHERE i.state <> 'deleted' OR i.k8s_name = ANY ($1::text[]) ORDER BY i.k8s_name"};
constexpr Query monitors_query{"cms.monitors",
                               "SELECT id, created_at FROM orchestrations WHERE finished_at IS NULL AND name = "
                               "'health_check' AND id LIKE 'health-%' ORDER BY id"};
constexpr Query add_query{
    "cms.add_drift",
    "INSERT INTO drift_detections (detection_type, k8s_name, cms_state, k8s_exists, message, metadata, resolved_at, "
    "resolved_by) VALUES ($1, $2, (SELECT state FROM instances WHERE k8s_name = $2), $3, $4, $5, "
    "CASE WHEN $6::text IS NOT NULL THEN clock_timestamp() END, $6)"};

}  // namespace

asio::awaitable<Result<std::string>> get_installation(pg::Connection& db) {
    auto rows = co_await db.execute(installation_query);
    if (!rows) co_return std::unexpected(domain_error(std::move(rows).error()));
    co_return (*rows)[0].get<std::string>(0);
}

asio::awaitable<Result<std::vector<OnRecord>>> list_on_record(pg::Connection& db,
                                                              std::vector<std::string> deleted_k8s_names) {
    auto rows = co_await db.execute(on_record_query, params(pg::array_literal(deleted_k8s_names)));
    if (!rows) co_return std::unexpected(domain_error(std::move(rows).error()));
    std::vector<OnRecord> out;
    for (const auto row : *rows)
        out.push_back({row.get<std::string>(0), row.get<std::string>(1), row.get<std::string>(2),
                       row.get<std::string>(3), row.get<std::string>(4), row.get<Json>(5)});
    co_return out;
}

asio::awaitable<Result<std::vector<Monitor>>> list_monitors(pg::Connection& db) {
    auto rows = co_await db.execute(monitors_query);
    if (!rows) co_return std::unexpected(domain_error(std::move(rows).error()));
    std::vector<Monitor> out;
    for (const auto row : *rows) out.push_back({row.get<std::string>(0), row.get<Timestamp>(1)});
    co_return out;
}

asio::awaitable<Result<void>> add_drift(pg::Connection& tx, DriftRecord in) {
    const auto by = in.resolved_by.empty() ? std::nullopt : std::optional(in.resolved_by);
    auto done = co_await tx.execute(add_query, params(in.type, in.k8s_name, in.k8s_exists, in.message,
                                                      in.metadata.is_null() ? Json::object() : in.metadata, by));
    if (!done) co_return std::unexpected(domain_error(std::move(done).error()));
    co_return Result<void>();
}

}  // namespace toygres::cms
