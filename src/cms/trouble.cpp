#include "cms/trouble.hpp"

namespace toygres::cms {
namespace {

using pg::params;
using pg::Query;

constexpr Query set_query{
    "cms.set_trouble",
    "UPDATE operations SET trouble = $2::jsonb WHERE orchestration = $1 AND state = 'running' AND "
    "trouble IS DISTINCT FROM $2::jsonb"};
constexpr Query get_query{"cms.get_trouble", "SELECT trouble FROM operations WHERE id = $1"};

}  // namespace

asio::awaitable<Result<void>> set_trouble(pg::Connection& db, std::string orchestration, Json trouble) {
    auto done = co_await db.execute(set_query, params(orchestration, trouble));
    if (!done) co_return std::unexpected(std::move(done).error());
    co_return Result<void>();
}

asio::awaitable<Result<Json>> get_trouble(pg::Connection& db, std::string operation) {
    auto rows = co_await db.execute(get_query, params(operation));
    if (!rows) co_return std::unexpected(std::move(rows).error());
    co_return rows->empty() ? Json() : (*rows)[0].get<Json>(0);
}

}  // namespace toygres::cms
