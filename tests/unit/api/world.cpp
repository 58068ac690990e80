#include "world.hpp"

#include "base/crypto.hpp"
#include "cms/migrator.hpp"

#include <fmt/format.h>

namespace toygres::test {
namespace {

constexpr auto schema = "toygres_cms";

std::string new_database() {
    auto conninfo = shared_postgres().create_database();
    value_or_raise(cms::migrate(conninfo, schema));
    return conninfo;
}

kube::Access access_to(const std::string& url) {
    kube::Access out{};
    out.source = "test";
    out.server = url;
    out.default_ns = "toygres";
    return out;
}

asio::awaitable<Secret> new_token(std::shared_ptr<pg::Pool> pool, cms::NewToken token) {
    auto lease = value_or_raise(co_await pool->acquire());
    co_return value_or_raise(co_await cms::create_token(*lease, std::move(token)));
}

asio::awaitable<pg::Rows> run_text(std::shared_ptr<pg::Pool> pool, std::string text) {
    auto lease = value_or_raise(co_await pool->acquire());
    co_return value_or_raise(co_await lease->run(text));
}

}  // namespace

World::World(const std::string& kubernetes, std::vector<kube::Permission> permissions, api::Rate rate)
    : conninfo(new_database()),
      pool(std::make_shared<pg::Pool>(
          io.get_executor(), pg::PoolOptions{.conninfo = conninfo, .search_path = schema, .connections_max = 8})),
      store(io.get_executor(), {.conninfo = conninfo, .schema = schema}, pool),
      client(io.get_executor(), store, clock),
      kube(io.get_executor(), access_to(kubernetes), {.retries_max = 0}),
      sealer(value_or_raise(Sealer::from_key(Secret(random_bytes(32))))),
      api({.io = io,
           .pool = pool,
           .client = client,
           .kube = kube,
           .sealer = sealer,
           .ns = "toygres",
           .permissions = std::move(permissions),
           .postgres_versions = {"14", "15"},
           .rate = rate,
           .readiness = [this] { return readiness; },
           .find_drift = [this](std::chrono::milliseconds, bool) -> asio::awaitable<Json> { co_return drift; },
           .view_runtime = [](const std::string& id_prefix, std::size_t most) -> Json {
               return {{"id_prefix", id_prefix}, {"most", most}};
           },
           .knows_orchestration =
               [](const std::string& type) { return type == "verify_replication" || type == "child"; }}) {
    http::ServerOptions options;
    options.error_page = &api::Api::error_page;
    server =
        std::make_unique<http::Server>(io, options, [this](http::Exchange& exchange) { return api.handle(exchange); });
    server->start();
    http = std::make_unique<http::Client>(
        io.get_executor(), http::ClientOptions{.base_url = fmt::format("http://127.0.0.1:{}", server->port())});
    writer = token_of("writer", "admin");
    reader = token_of("reader", "viewer");
}

World::~World() {
    run(io, server->stop(1s));
    store.close();
    pool->close();
    io.restart();
    io.poll();
}

std::string World::token_of(const std::string& name, const std::string& role, const std::string& owner) {
    return run(io, new_token(pool, {.name = name, .role = role, .owner = owner, .expires_at = {}})).reveal();
}

http::Request World::request(std::string method, std::string target, Json body, http::Headers headers) const {
    http::Request out{std::move(method), std::move(target), std::move(headers), {}, {}};
    if (!out.headers.has("Authorization")) out.headers.set("Authorization", "Bearer " + writer);
    if (!body.is_null()) {
        out.headers.set("Content-Type", "application/json");
        out.body = body.dump();
    }
    return out;
}

asio::awaitable<http::Response> World::send_async(http::Request request) {
    co_return value_or_raise(co_await http->send(std::move(request), 30s));
}

http::Response World::send(http::Request request) { return run(io, send_async(std::move(request))); }

http::Response World::call(std::string method, std::string target, Json body, http::Headers headers) {
    return send(request(std::move(method), std::move(target), std::move(body), std::move(headers)));
}

pg::Rows World::sql(std::string text) { return run(io, run_text(pool, std::move(text))); }

std::vector<std::string> fields_of(const http::Response& response) {
    std::vector<std::string> out;
    for (const auto& error : json_of(response).value("errors", Json::array()))
        out.push_back(error.at("field").get<std::string>());
    return out;
}

std::string code_of(const http::Response& response) { return json_of(response).value("code", ""); }

}  // namespace toygres::test
