// The bearer token of the moment: fixed, from a file that changes, or from an exec plugin.
#pragma once
#include "base/asio.hpp"
#include "base/event.hpp"
#include "kube/kubeconfig.hpp"

#include <optional>
#include <string>

namespace toygres::kube {

// What an ExecCredential grants.
struct ExecGrant {
    Secret token;
    std::string certificate_pem;  // empty: none
    Secret private_key_pem;
    std::optional<Timestamp> expires_at;
};

// Error: invalid/"bad_exec_credential" that names what is wrong.
Result<ExecGrant> parse_exec_credential(std::string_view text, const std::string& api_version);

class Credentials {
  public:
    Credentials(const asio::any_io_executor& executor, Access access) : access_(std::move(access)), ended_(executor) {}

    // The TLS identity may come from the plugin too, so it is known after the first token() only.
    // Errors: internal/"credentials_unavailable" (no such file, the plugin failed: with its stderr's last line).
    asio::awaitable<Result<Secret>> token();
    // The server refused the last one: the next token() asks anew. false when asking anew cannot help.
    bool refused();
    // What the plugin gave last; a certificate in it is the client's TLS identity from then on.
    const std::optional<ExecGrant>& grant() const { return grant_; }

  private:
    Result<Secret> token_from_file();
    asio::awaitable<Result<Secret>> token_from_exec();
    asio::awaitable<Result<Secret>> run_plugin();

    Access access_;
    bool running_ = false;
    Event ended_;
    std::optional<ExecGrant> grant_;
    Secret file_token_;
    std::optional<std::chrono::steady_clock::time_point> file_read_at_;
};

}  // namespace toygres::kube
