#include "harness.hpp"

#include "base/crypto.hpp"

#include <cstdlib>
#include <filesystem>

namespace toygres::test {

FakeServer::FakeServer(Answer answer, unsigned short port)
    : answer_(std::move(answer)),
      server_(io_, {.port = port}, [this](http::Exchange& exchange) { return handle(exchange); }) {
    server_.start();
    thread_ = std::thread([this] { io_.run(); });
}

FakeServer::~FakeServer() {
    io_.stop();
    thread_.join();
}

std::vector<http::Request> FakeServer::requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
}

asio::awaitable<void> FakeServer::handle(http::Exchange& exchange) {
    {
        const std::lock_guard lock(mutex_);
        requests_.push_back(exchange.request());
    }
    co_await exchange.respond(answer_(exchange.request()));
}

http::Response json(const Json& body, int status) {
    return {status, {{"Content-Type", "application/json"}}, body.dump()};
}

http::Response refusal(int status, const std::string& code, const std::string& detail) {
    return {status,
            {{"Content-Type", "application/problem+json"}},
            Json{{"status", status}, {"code", code}, {"detail", detail}, {"request_id", "req-1"}}.dump()};
}

Outcome run_command(std::vector<std::string> arguments, const std::string& input, bool terminal,
                    const cli::Launcher& launcher) {
    arguments.insert(arguments.begin(), "toygres");
    std::vector<const char*> argv;
    for (const auto& argument : arguments) argv.push_back(argument.c_str());
    std::ostringstream out;
    std::ostringstream err;
    std::istringstream in(input);
    const int code = cli::run_cli(static_cast<int>(argv.size()), argv.data(), launcher,
                                  {out, err, in, false, false, terminal, false});
    return {code, out.str(), err.str()};
}

Environment::Environment(std::vector<std::pair<std::string, std::string>> values) {
    for (const auto& [name, value] : values) {
        const char* old = std::getenv(name.c_str());
        before_.emplace_back(name, old == nullptr ? std::nullopt : std::optional<std::string>(old));
        ::setenv(name.c_str(), value.c_str(), 1);
    }
}

Environment::~Environment() {
    for (const auto& [name, value] : before_)
        if (value)
            ::setenv(name.c_str(), value->c_str(), 1);
        else
            ::unsetenv(name.c_str());
}

Directory::Directory() : path((std::filesystem::temp_directory_path() / ("toygres-cli-" + random_hex(8))).string()) {
    std::filesystem::create_directories(path);
}

Directory::~Directory() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
}

Json an_instance(const std::string& name, const std::string& state) {
    return {{"id", "1"},
            {"name", name},
            {"k8s_name", name + "-1a2b3c4d"},
            {"namespace", "toygres"},
            {"dns_name", name + "-1a2b3c4d.toygres.svc.cluster.local"},
            {"external_ip", "127.8.0.1"},
            {"state", state},
            {"health", "healthy"},
            {"postgres_version", "15"},
            {"storage_size_gb", 10},
            {"use_load_balancer", true},
            {"check_interval_ms", 30000},
            {"tags", {{"team", "web"}}},
            {"created_by", "me"},
            {"created_at", format_rfc3339(now() - 3h)},
            {"updated_at", format_rfc3339(now() - 1h)}};
}

Json an_operation(const std::string& state, const std::string& stage) {
    Json out = {{"id", "op-1"},       {"kind", "create_instance"},
                {"instance", "mydb"}, {"orchestration", "create-mydb-1a2b3c4d"},
                {"state", state},     {"caller", "me"},
                {"request_id", "r"},  {"created_at", format_rfc3339(now())}};
    if (!stage.empty()) out["progress"] = {{"stage", stage}};
    return out;
}

}  // namespace toygres::test
