// A real `toygres server` process on a real database, without a cluster: its Kubernetes API is never there.
#pragma once
#include "base/asio.hpp"
#include "base/json.hpp"
#include "base/process.hpp"
#include "http/client.hpp"
#include "support/catch.hpp"
#include "support/postgres.hpp"
#include "support/run.hpp"

#include <fmt/format.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace toygres::test {

using namespace std::chrono_literals;

// The path of one of the programs that were built.
inline std::string program(const std::string& name) { return fmt::format("{}/{}", TOYGRES_BINARY_DIR, name); }
// Runs a command to its end.
Finished ran(std::vector<std::string> argv, std::map<std::string, std::string> environment = {});
// Polls until it holds; false after a minute.
bool eventually(const std::function<bool()>& condition);

class LiveServer {
  public:
    // `conninfo`: of its database. Without a `seal_key_file` it makes one.
    explicit LiveServer(std::string conninfo, std::string seal_key_file = {});
    ~LiveServer();
    LiveServer(const LiveServer&) = delete;
    LiveServer& operator=(const LiveServer&) = delete;

    const std::string& url() const { return url_; }
    const std::string& token() const { return token_; }
    // With its token.
    http::Response call(std::string method, std::string target, const Json& body = {});
    // The command-line program against it.
    Finished cli(std::vector<std::string> arguments) const;
    // SIGTERM, and its end.
    ExitStatus stop();
    // Its log so far.
    std::vector<Json> log() const;
    const std::string& directory() const { return directory_; }
    std::string seal_key_file() const { return seal_key_file_; }

  private:
    std::string directory_;
    std::string seal_key_file_;
    asio::io_context io_{1};
    std::unique_ptr<Child> child_;
    std::string url_;
    std::string token_;
};

}  // namespace toygres::test
