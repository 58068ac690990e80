#include "live_server.hpp"

#include "base/crypto.hpp"
#include "base/file.hpp"

#include <csignal>
#include <filesystem>
#include <sstream>
#include <thread>

namespace toygres::test {
namespace {

constexpr auto kubeconfig = R"(apiVersion: v1
kind: Config
current-context: nowhere
contexts: [{name: nowhere, context: {cluster: nowhere, user: nobody}}]
clusters: [{name: nowhere, cluster: {server: "http://127.0.0.1:1"}}]
users: [{name: nobody, user: {}}]
)";

std::string port_of(const std::vector<Json>& log) {
    for (const auto& line : log)
        if (line.at("event") == "server.listening") return std::to_string(line.at("port").get<int>());
    return {};
}

}  // namespace

Finished ran(std::vector<std::string> argv, std::map<std::string, std::string> environment) {
    return value_or_raise(run(run_command({.argv = std::move(argv), .env = std::move(environment)}, "", 120s)));
}

bool eventually(const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + 60s;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > deadline) return false;
        std::this_thread::sleep_for(20ms);
    }
    return true;
}

LiveServer::LiveServer(std::string conninfo, std::string seal_key_file)
    : directory_((std::filesystem::temp_directory_path() / ("toygres-live-" + random_hex(8))).string()),
      seal_key_file_(seal_key_file.empty() ? directory_ + "/seal.key" : std::move(seal_key_file)) {
    std::filesystem::create_directories(directory_);
    value_or_raise(write_file_atomically(directory_ + "/kubeconfig", kubeconfig, 0600));
    std::vector<std::string> argv{program("toygres"), "server",       "--database-url",
                                  conninfo,           "--kubeconfig", directory_ + "/kubeconfig",
                                  "--listen",         "127.0.0.1:0",  "--seal-key-file",
                                  seal_key_file_,     "--log-file",   directory_ + "/server.log"};
    child_ = std::make_unique<Child>(io_.get_executor(), Command{.argv = argv, .signal_when_parent_dies = SIGKILL});
    REQUIRE(eventually([&] { return !port_of(log()).empty() || child_->poll(); }));
    INFO(read_file(directory_ + "/server.log").value_or("no log"));
    REQUIRE_FALSE(child_->poll());
    url_ = "http://127.0.0.1:" + port_of(log());
    auto made = ran(
        {program("toygres"), "token", "create", "t-" + random_hex(4), "--role", "admin", "--database-url", conninfo});
    INFO(made.errors);
    REQUIRE(made.status.ok());
    token_ = made.output.substr(0, made.output.find('\n'));
}

LiveServer::~LiveServer() {
    child_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
}

http::Response LiveServer::call(std::string method, std::string target, const Json& body) {
    asio::io_context io;
    http::Client client(io.get_executor(), {.base_url = url_});
    http::Request request{.method = std::move(method), .target = std::move(target), .headers = {}, .body = {}};
    request.headers.set("Authorization", "Bearer " + token_);
    if (!body.is_null()) {
        request.headers.set("Content-Type", "application/json");
        request.body = body.dump();
    }
    return value_or_raise(run(io, client.send(std::move(request), 60s)));
}

Finished LiveServer::cli(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), program("toygres"));
    return ran(std::move(arguments), {{"TOYGRES_API_URL", url_},
                                      {"TOYGRES_API_TOKEN", token_},
                                      {"TOYGRES_STATE_DIR", directory_ + "/none"},
                                      {"TOYGRES_CONFIG", directory_ + "/config.yaml"},
                                      {"NO_COLOR", "1"}});
}

ExitStatus LiveServer::stop() {
    child_->signal(SIGTERM);
    return run(io_, child_->wait());
}

std::vector<Json> LiveServer::log() const {
    std::vector<Json> out;
    std::istringstream lines(read_file(directory_ + "/server.log").value_or(""));
    for (std::string line; std::getline(lines, line);)
        if (auto json = parse_json(line)) out.push_back(*std::move(json));
    return out;
}

}  // namespace toygres::test
