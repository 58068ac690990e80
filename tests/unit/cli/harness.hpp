// The command run in this process against a real HTTP server, whose answers the test gives.
#pragma once
#include "base/asio.hpp"
#include "base/json.hpp"
#include "cli/cli.hpp"
#include "http/server.hpp"
#include "support/catch.hpp"

#include <fmt/format.h>

#include <functional>
#include <mutex>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace toygres::test {

using namespace std::chrono_literals;

// Answers on a thread of its own: the command waits for it in this one.
class FakeServer {
  public:
    using Answer = std::function<http::Response(const http::Request&)>;
    explicit FakeServer(Answer answer, unsigned short port = 0);
    ~FakeServer();
    FakeServer(const FakeServer&) = delete;
    FakeServer& operator=(const FakeServer&) = delete;

    unsigned short port() const { return server_.port(); }
    std::string url() const { return fmt::format("http://127.0.0.1:{}", port()); }
    std::vector<http::Request> requests() const;

  private:
    asio::awaitable<void> handle(http::Exchange& exchange);

    asio::io_context io_{1};
    Answer answer_;
    http::Server server_;
    mutable std::mutex mutex_;
    std::vector<http::Request> requests_;
    std::thread thread_;
};

http::Response json(const Json& body, int status = 200);
http::Response refusal(int status, const std::string& code, const std::string& detail);

struct Outcome {
    int code;
    std::string out;
    std::string err;
};
// `terminal`: whether there is one to ask on.
Outcome run_command(std::vector<std::string> arguments, const std::string& input = {}, bool terminal = false,
                    const cli::Launcher& launcher = {});

// Sets environment variables, and puts them back as they were.
class Environment {
  public:
    explicit Environment(std::vector<std::pair<std::string, std::string>> values);
    ~Environment();
    Environment(const Environment&) = delete;
    Environment& operator=(const Environment&) = delete;

  private:
    std::vector<std::pair<std::string, std::optional<std::string>>> before_;
};

// A directory that goes with the test.
struct Directory {
    Directory();
    ~Directory();
    std::string path;
};

Json an_instance(const std::string& name, const std::string& state = "running");
Json an_operation(const std::string& state, const std::string& stage = {});

}  // namespace toygres::test
