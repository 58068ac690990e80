#include "load.hpp"

#include <fmt/format.h>

namespace toygres::test {

namespace {

using namespace std::chrono_literals;

constexpr auto patience = 30s;
constexpr auto operation_patience = 180s;
constexpr auto between_calls = 20ms;

}  // namespace

Load::Load(const Stack& stack) : stack_(stack) {
    threads_.emplace_back([this](const std::stop_token& stop) { read(stop); });
    threads_.emplace_back([this](const std::stop_token& stop) { change(stop); });
    threads_.emplace_back([this](const std::stop_token& stop) { cycle(stop); });
}

Load::~Load() { finish(); }

void Load::finish() {
    for (auto& thread : threads_) thread.request_stop();
    threads_.clear();
}

void Load::add(const std::string& url) {
    const std::unique_lock lock(servers_mutex_);
    servers_.push_back(std::make_unique<Server>(url));
}

void Load::remove(const std::string& url) {
    const std::unique_lock lock(servers_mutex_);
    std::erase_if(servers_, [&](const auto& server) { return server->url == url; });
}

int Load::answers_of(const std::string& url) const {
    const std::shared_lock lock(servers_mutex_);
    const auto it = std::ranges::find(servers_, url, [](const auto& server) { return server->url; });
    return it == servers_.end() ? 0 : (*it)->answers.load();
}

std::string Load::faults() const {
    const std::scoped_lock lock(faults_mutex_);
    return faults_;
}

void Load::note(std::string fault) {
    const std::scoped_lock lock(faults_mutex_);
    faults_ += std::move(fault) + "\n";
}

http::Response Load::call(const std::string& method, const std::string& target, const Json& body) {
    const std::shared_lock lock(servers_mutex_);
    if (servers_.empty()) return {0, {}, "no server"};
    auto& server = *servers_[turn_++ % servers_.size()];
    auto response = stack_.call_at(server.url, method, target, body, patience);
    if (response.status == 0 || response.status >= 500)
        note(fmt::format("{} {} at {}: {} {}", method, target, server.url, response.status, response.body));
    else
        ++server.answers;
    return response;
}

void Load::read(const std::stop_token& stop) {
    constexpr const char* targets[] = {"/api/v1/instances?limit=10", "/api/v1/instances/steady",
                                       "/api/v1/operations?limit=5", "/api/v1/orchestrations?limit=20",
                                       "/api/v1/instances/steady/events?limit=10"};
    for (std::size_t i = 0; !stop.stop_requested(); ++i) {
        call("GET", targets[i % std::size(targets)]);
        std::this_thread::sleep_for(between_calls);
    }
}

void Load::change(const std::stop_token& stop) {
    for (int i = 0; !stop.stop_requested(); ++i) {
        const auto response = call("POST", fmt::format("/api/v1/schedules/nightly/{}", i % 2 ? "resume" : "pause"),
                                   {{"note", std::to_string(i)}});
        if (response.status != 0 && response.status < 500 && response.status != 202)
            note(fmt::format("a change of the schedule: {} {}", response.status, response.body));
        std::this_thread::sleep_for(between_calls);
    }
}

bool Load::succeeds(const std::string& what, const http::Response& accepted) {
    if (accepted.status != 202) {
        note(fmt::format("{}: {} {}", what, accepted.status, accepted.body));
        return false;
    }
    const auto id = operation_of(accepted);
    std::string last;
    const bool ended = eventually(
        [&] {
            const auto response = call("GET", "/api/v1/operations/" + id);
            if (response.status != 200) return false;
            last = response.body;
            return parse_json(last).value().at("state") != "running";
        },
        static_cast<int>(operation_patience / 1s));
    if (ended && parse_json(last).value().at("state") == "succeeded") return true;
    note(fmt::format("{}: {}", what, last));
    return false;
}

void Load::cycle(const std::stop_token& stop) {
    for (int i = 0; !stop.stop_requested(); ++i) {
        const auto name = fmt::format("passing-{}", i);
        const auto accepted = call("POST", "/api/v1/instances", {{"name", name}, {"replication", false}});
        if (accepted.status == 0) {
            std::this_thread::sleep_for(between_calls);
            continue;
        }
        if (!succeeds("create " + name, accepted)) continue;
        if (const auto connection = call("GET", fmt::format("/api/v1/instances/{}/connection", name));
            connection.status != 200)
            note(fmt::format("the connection of {}: {} {}", name, connection.status, connection.body));
        if (succeeds("delete " + name, call("DELETE", "/api/v1/instances/" + name))) ++cycles_;
    }
}

}  // namespace toygres::test
