#include "agent/promote.hpp"

#include "agent/endpoint.hpp"
#include "agent/native.hpp"
#include "base/file.hpp"
#include "ha/agent_status.hpp"

#include <fmt/format.h>

#include <unistd.h>

namespace toygres::agent {
namespace {

constexpr std::chrono::milliseconds look_interval{100};

asio::awaitable<Result<ha::AgentStatus>> status_of(Options options) {
    const auto answer = co_await ask_local_agent(std::move(options), "/status?max_age_ms=0");
    if (!answer) co_return std::unexpected(answer.error());
    const auto json = parse_json(answer->body);
    if (!json) co_return std::unexpected(json.error());
    try {
        co_return decode<ha::AgentStatus>(*json);
    } catch (const ErrorException& e) {
        co_return std::unexpected(e.error());
    }
}

}  // namespace

asio::awaitable<Result<void>> promote_member(Options options, std::chrono::milliseconds limit) {
    const auto before = co_await status_of(options);
    if (!before) co_return std::unexpected(before.error());
    if (before->role != ha::Role::replica || !before->ready)
        co_return std::unexpected(
            Error{ErrorKind::conflict, "not_a_replica",
                  fmt::format("only a replica that accepts connections can be promoted: this is {}, {}",
                              before->role == ha::Role::none ? "no running server" : enum_name(before->role),
                              enum_name(before->state))});
    if (auto asked = write_file_atomically(promotion_request(options), "", 0600); !asked) co_return asked;
    const auto deadline = std::chrono::steady_clock::now() + limit;
    asio::steady_timer timer(co_await asio::this_coro::executor);
    while (std::chrono::steady_clock::now() < deadline) {
        timer.expires_after(look_interval);
        co_await timer.async_wait(use);
        const auto now = co_await status_of(options);
        if (now && now->role == ha::Role::primary && now->ready) co_return Result<void>();
    }
    ::unlink(promotion_request(options).c_str());
    co_return std::unexpected(Error{ErrorKind::timeout, "not_promoted", "it did not become read-write in time"});
}

}  // namespace toygres::agent
