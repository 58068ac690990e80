#include "cms/sealed.hpp"

namespace toygres::cms {
namespace {

using pg::params;
using pg::Query;

constexpr Query keep_query{"cms.keep_sealed",
                           "INSERT INTO sealed_secrets (instance_id, name, sealed) VALUES ($1, $2, $3) "
                           "ON CONFLICT (instance_id, name) DO NOTHING"};
constexpr Query list_query{"cms.list_sealed",
                           "SELECT s.instance_id, i.k8s_name, s.name, s.sealed FROM sealed_secrets s "
                           "JOIN instances i ON i.id = s.instance_id"};
constexpr Query reseal_query{
    "cms.reseal", "UPDATE sealed_secrets SET sealed = $4 WHERE instance_id = $1 AND name = $2 AND sealed = $3"};

asio::awaitable<Result<void>> change(pg::Connection& db, Query query, pg::Params params) {
    auto done = co_await db.execute(query, std::move(params));
    if (!done) co_return std::unexpected(std::move(done).error());
    co_return Result<void>();
}

}  // namespace

asio::awaitable<Result<void>> keep_sealed(pg::Connection& db, std::string instance, std::string name,
                                          std::string sealed) {
    return change(db, keep_query, params(instance, name, sealed));
}

asio::awaitable<Result<std::vector<Sealed>>> list_sealed(pg::Connection& db) {
    auto rows = co_await db.execute(list_query);
    if (!rows) co_return std::unexpected(std::move(rows).error());
    std::vector<Sealed> out;
    for (const auto row : *rows)
        out.push_back(
            {row.get<std::string>(0), row.get<std::string>(1), row.get<std::string>(2), row.get<std::string>(3)});
    co_return out;
}

asio::awaitable<Result<void>> reseal(pg::Connection& db, Sealed before, std::string sealed) {
    return change(db, reseal_query, params(before.instance, before.name, before.sealed, sealed));
}

}  // namespace toygres::cms
