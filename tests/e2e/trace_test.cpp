// Traces of what really happens: a collector of the test's own gets them.
#include "base/crypto.hpp"
#include "base/file.hpp"
#include "http/server.hpp"
#include "stack.hpp"

#include <fmt/format.h>

#include <csignal>
#include <mutex>
#include <set>
#include <sstream>
#include <thread>

using namespace toygres;
using namespace toygres::test;

namespace {

struct Seen {
    std::string trace;
    std::string id;
    std::string parent;
    std::string name;
    std::string process;  // service.instance.id
    std::map<std::string, std::string> attributes;
};

std::map<std::string, std::string> attributes_of(const Json& holder) {
    std::map<std::string, std::string> out;
    for (const auto& a : holder.at("attributes"))
        out[a.at("key").get<std::string>()] = a.at("value").begin()->get<std::string>();
    return out;
}

class Collector {
  public:
    Collector() {
        server_.start();
        thread_ = std::thread([this] { io_.run(); });
    }
    ~Collector() {
        io_.stop();
        thread_.join();
    }
    std::string url() const { return fmt::format("http://127.0.0.1:{}", server_.port()); }
    std::vector<Seen> spans(const std::string& trace) const {
        const std::lock_guard lock(mutex_);
        std::vector<Seen> out;
        for (const auto& s : spans_)
            if (s.trace == trace) out.push_back(s);
        return out;
    }
    std::optional<Seen> find(const std::string& trace, const std::string& name) const {
        for (const auto& s : spans(trace))
            if (s.name == name) return s;
        return std::nullopt;
    }

  private:
    asio::awaitable<void> handle(http::Exchange& exchange) {
        take(Json::parse(exchange.request().body));
        http::Response response{200, {{"Content-Type", "application/json"}}, "{}"};
        co_await exchange.respond(std::move(response));
    }
    void take(const Json& body) {
        const std::lock_guard lock(mutex_);
        for (const auto& resource : body.at("resourceSpans")) {
            const auto process = attributes_of(resource.at("resource")).at("service.instance.id");
            for (const auto& scope : resource.at("scopeSpans"))
                for (const auto& s : scope.at("spans"))
                    spans_.push_back({s.at("traceId").get<std::string>(), s.at("spanId").get<std::string>(),
                                      s.value("parentSpanId", ""), s.at("name").get<std::string>(), process,
                                      attributes_of(s)});
        }
    }

    mutable std::mutex mutex_;
    std::vector<Seen> spans_;
    asio::io_context io_{1};
    http::Server server_{io_, {}, [this](http::Exchange& exchange) { return handle(exchange); }};
    std::thread thread_;
};

// Whether the server's log has such a line of that trace.
bool logged(const Stack& stack, const std::string& event, const std::string& trace, const std::string& operation) {
    std::istringstream lines(value_or_raise(read_file(stack.directory + "/server.log")));
    for (std::string line; std::getline(lines, line);) {
        const auto json = parse_json(line);
        if (json && json->value("event", "") == event && json->value("trace_id", "") == trace &&
            json->value("operation", "") == operation && json->value("request_id", "") == "traced-request")
            return true;
    }
    return false;
}

}  // namespace

TEST_CASE("traces: a creation is one trace from the call to every activity, with a kill -9 in its middle", "[trace]") {
    const Collector collector;
    Stack stack;
    stack.environment_more = "TOYGRES_OTLP_ENDPOINT=" + collector.url();
    stack.up();
    const auto trace = random_hex(32);
    const auto caller = random_hex(16);
    const auto made =
        stack.call("POST", "/api/v1/instances", {{"name", "traced"}, {"replication", false}},
                   {{"traceparent", fmt::format("00-{}-{}-01", trace, caller)}, {"X-Request-Id", "traced-request"}});
    REQUIRE(made.status == 202);
    CHECK(made.headers.get("traceparent").starts_with("00-" + trace + "-"));
    const auto call_span = std::string(made.headers.get("traceparent").substr(36, 16));
    const auto operation = operation_of(made);
    REQUIRE(eventually(
        [&] { return collector.find(trace, "POST /api/v1/instances") && collector.find(trace, "apply_secrets"); }));
    stack.signal_server(SIGKILL);
    stack.wait_for_death();
    stack.up();
    CHECK(stack.wait_operation(operation).at("state") == "succeeded");
    REQUIRE(eventually([&] { return collector.find(trace, "create_instance").has_value(); }));

    const auto call = *collector.find(trace, "POST /api/v1/instances");
    CHECK(call.id == call_span);
    CHECK(call.parent == caller);
    CHECK(call.attributes.at("toygres.operation") == operation);
    CHECK(call.attributes.at("http.response.status_code") == "202");
    const auto creation = *collector.find(trace, "create_instance");
    CHECK(creation.parent == call.id);
    CHECK(creation.attributes.at("toygres.status") == "completed");
    CHECK(creation.attributes.at("request_id") == "traced-request");
    std::set<std::string> names;
    std::set<std::string> processes;
    for (const auto& span : collector.spans(trace)) {
        processes.insert(span.process);
        if (!span.attributes.contains("toygres.attempt")) continue;
        INFO(span.name);
        names.insert(span.name);
        CHECK(span.parent == creation.id);
        CHECK(span.attributes.at("toygres.orchestration").starts_with("create-traced-"));
    }
    CHECK(processes.size() == 2);
    CHECK(names.contains("apply_secrets"));
    CHECK(names.contains("deploy_postgres"));
    CHECK(names.contains("test_connection"));
    CHECK(logged(stack, "request.handled", trace, operation));
    CHECK(logged(stack, "orchestration.finished", trace, operation));

    const auto live = stack.call("GET", "/api/v1/system/debug?id_prefix=health-traced-");
    REQUIRE(live.status == 200);
    const auto orchestrations = Json::parse(live.body).at("runtime").at("orchestrations");
    REQUIRE(orchestrations.size() == 1);
    CHECK(orchestrations[0].at("name") == "health_check");
    CHECK_FALSE(orchestrations[0].at("waits_for").empty());
    CHECK(stack.wait_operation(stack.remove("traced")).at("state") == "succeeded");
}
