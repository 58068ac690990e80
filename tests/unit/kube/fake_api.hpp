// An API server of a few lines: answers what the test says, remembers what it was asked.
#pragma once
#include "http/server.hpp"
#include "kube/client.hpp"
#include "support/catch.hpp"

#include <fmt/format.h>

#include <deque>
#include <functional>
#include <optional>
#include <vector>

namespace toygres::test {

class FakeApi {
  public:
    using Answer = std::function<asio::awaitable<void>(http::Exchange&)>;

    FakeApi() : server_(io, {}, [this](http::Exchange& exchange) { return handle(exchange); }) { server_.start(); }

    // The next request is answered so; when there is no more, 500.
    void answer(int status, Json body, http::Headers headers = {}) {
        answers_.push_back([status, body, headers](http::Exchange& exchange) {
            return exchange.respond({status, headers, body.dump()});
        });
    }
    // A watch: these events, then the end of the stream, or silence until the client goes.
    void stream(std::vector<Json> events, bool stay_open = false) {
        answers_.push_back([events = std::move(events), stay_open](http::Exchange& exchange) {
            return stream_events(exchange, events, stay_open);
        });
    }
    static Json status(int code, const std::string& reason, const std::string& message, Json details = Json::object()) {
        return {{"kind", "Status"}, {"apiVersion", "v1"}, {"status", "Failure"},          {"code", code},
                {"reason", reason}, {"message", message}, {"details", std::move(details)}};
    }
    static Json pod(const std::string& name, int version, const std::string& ready = "False",
                    const std::string& uid = "u1") {
        return {{"apiVersion", "v1"},
                {"kind", "Pod"},
                {"metadata",
                 {{"name", name}, {"namespace", "ns"}, {"uid", uid}, {"resourceVersion", std::to_string(version)}}},
                {"status", {{"conditions", {{{"type", "Ready"}, {"status", ready}}}}}}};
    }
    static Json list(int version, std::vector<Json> items) {
        return {{"kind", "PodList"},
                {"metadata", {{"resourceVersion", std::to_string(version)}}},
                {"items", std::move(items)}};
    }
    static Json event(const std::string& type, Json object) { return {{"type", type}, {"object", std::move(object)}}; }

    kube::Access access() {
        kube::Access access{};
        access.server = fmt::format("http://127.0.0.1:{}", server_.port());
        access.token = Secret("the-token");
        return access;
    }

    // Runs to the end of `work`.
    template <class T> T run(asio::awaitable<T> work) {
        std::optional<T> out;
        std::exception_ptr failure;
        asio::co_spawn(io, std::move(work), [&](std::exception_ptr e, T value) {
            failure = e;
            if (!e) out.emplace(std::move(value));
            io.stop();
        });
        io.restart();
        io.run();
        if (failure) std::rethrow_exception(failure);
        return *std::move(out);
    }

    asio::io_context io;
    std::vector<http::Request> requests;
    std::vector<std::chrono::steady_clock::time_point> times;

  private:
    asio::awaitable<void> handle(http::Exchange& exchange) {
        requests.push_back(exchange.request());
        times.push_back(std::chrono::steady_clock::now());
        if (answers_.empty()) {
            co_await exchange.respond({500, {}, "no more answers"});
            co_return;
        }
        const auto next = std::move(answers_.front());
        answers_.pop_front();
        co_await next(exchange);
    }

    static asio::awaitable<void> stream_events(http::Exchange& exchange, std::vector<Json> events, bool stay_open) {
        co_await exchange.begin_stream(200, {{"Content-Type", "application/json"}});
        for (const auto& event : events) {
            // In two pieces: a line may arrive in any number of them.
            const auto line = event.dump() + "\n";
            co_await exchange.write(line.substr(0, line.size() / 2));
            co_await exchange.write(line.substr(line.size() / 2));
        }
        if (stay_open) co_await exchange.closed();
    }

    http::Server server_;
    std::deque<Answer> answers_;
};

}  // namespace toygres::test
