// The API on a real server and a real database. No host runs, so orchestrations stay as they were started.
#pragma once
#include "api/api.hpp"
#include "base/asio.hpp"
#include "cms/tokens.hpp"
#include "http/client.hpp"
#include "http/server.hpp"
#include "runtime/store/pg_store.hpp"
#include "support/catch.hpp"
#include "support/postgres.hpp"
#include "support/run.hpp"

#include <memory>
#include <string>

namespace toygres::test {

using namespace std::chrono_literals;

struct World {
    // A database of its own; `kubernetes` is where its client points, by default nowhere.
    explicit World(const std::string& kubernetes = "http://127.0.0.1:1", std::vector<kube::Permission> permissions = {},
                   api::Rate rate = {});
    ~World();

    // A request with the writer's token, a JSON body when there is one.
    http::Response call(std::string method, std::string target, Json body = {}, http::Headers headers = {});
    // Exactly this request.
    http::Response send(http::Request request);
    asio::awaitable<http::Response> send_async(http::Request request);
    http::Request request(std::string method, std::string target, Json body = {}, http::Headers headers = {}) const;
    // A new token of that role; it speaks for its own name unless told otherwise.
    std::string token_of(const std::string& name, const std::string& role, const std::string& owner = {});
    // A statement by itself, outside the API.
    pg::Rows sql(std::string text);

    asio::io_context io;
    std::string conninfo;
    runtime::SystemClock clock{io.get_executor()};
    std::shared_ptr<pg::Pool> pool;
    runtime::PgStore store;
    runtime::Client client;
    kube::Client kube;
    Sealer sealer;
    api::Readiness readiness{true, true, true};
    Json drift = Json::array();  // what cluster and CMS are said to differ in
    api::Api api;
    std::unique_ptr<http::Server> server;
    std::unique_ptr<http::Client> http;
    std::string writer;  // tokens: an administrator's
    std::string reader;  // and a viewer's
};

inline Json json_of(const http::Response& response) { return value_or_raise(parse_json(response.body)); }
// The names of the fields that a problem complains of.
std::vector<std::string> fields_of(const http::Response& response);
std::string code_of(const http::Response& response);

}  // namespace toygres::test
