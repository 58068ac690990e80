// SQL through the image's own psql: here over the unix socket, as postgres by peer authentication; on another member
// over TLS.
#pragma once
#include "agent/binaries.hpp"
#include "agent/options.hpp"
#include "base/asio.hpp"
#include "base/error.hpp"
#include "base/process.hpp"

#include <chrono>
#include <string>

namespace toygres::agent {

// 'text' as SQL quotes it.
std::string sql_literal(std::string_view text);

// psql on the server at the unix socket, reading a script from its stdin. No statement may take longer than half of
// `limit`; no commit waits for a standby, and nothing gets into the server's log.
Command local_psql(const Options& options, const Binaries& binaries,
                   std::chrono::milliseconds limit = std::chrono::seconds(10));

class Psql {
  public:
    Psql(const Options& options, Binaries binaries) : options_(options), binaries_(std::move(binaries)) {}

    // Runs a script (on psql's stdin, never in its arguments) and gives its unaligned rows; it stops at the first
    // error. No commit of it waits for a standby, and nothing of it gets into the server's log. No statement may take
    // longer than half of `limit`. Errors: transient/"psql_failed" with psql's last words, timeout/"command_timed_out".
    asio::awaitable<Result<std::string>> run(std::string script,
                                             std::chrono::milliseconds limit = std::chrono::seconds(10)) const;
    // The same on another member, as its superuser.
    asio::awaitable<Result<std::string>> run_on(std::string member, std::string script,
                                                std::chrono::milliseconds limit = std::chrono::seconds(20)) const;
    // Does another member serve a replica?
    asio::awaitable<bool> serves_replicas(std::string member) const;

  private:
    const Options& options_;
    Binaries binaries_;
};

// Does the server at the unix socket let connections in? A start-up packet, and its answer's first byte; no process.
asio::awaitable<bool> accepts_connections(const Options& options, std::chrono::milliseconds timeout);

// A whole log-in at the unix socket, as local_psql() does it, and its end; no process. Errors: transient/"login_failed"
// with the server's words.
asio::awaitable<Result<void>> log_in(const Options& options, std::chrono::milliseconds timeout);

}  // namespace toygres::agent
