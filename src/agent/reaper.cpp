#include "agent/reaper.hpp"

#include "agent/process_table.hpp"
#include "base/log.hpp"
#include "base/process.hpp"

#include <csignal>
#include <sys/wait.h>
#include <unistd.h>

namespace toygres::agent {
namespace {

// An own child that has just ended hides orphans behind it until its owner reaps it.
constexpr std::chrono::seconds again_after{1};

void reap_orphans() {
    for (;;) {
        siginfo_t info{};
        if (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0) return;
        if (is_own_child(info.si_pid)) return;
        ::waitpid(info.si_pid, nullptr, WNOHANG);
    }
}

asio::awaitable<void> reap_for_ever() {
    asio::signal_set children(co_await asio::this_coro::executor, SIGCHLD);
    asio::steady_timer timer(co_await asio::this_coro::executor);
    for (;;) {
        co_await children.async_wait(use);
        reap_orphans();
        timer.expires_after(again_after);
        co_await timer.async_wait(use);
        reap_orphans();
    }
}

}  // namespace

asio::awaitable<void> end_orphans(std::chrono::milliseconds grace) {
    if (::getpid() != 1) co_return;
    asio::steady_timer timer(co_await asio::this_coro::executor, grace);
    co_await timer.async_wait(use);
    for (const auto& orphan : children_of(::getpid())) {
        if (orphan.name != "postgres" || is_own_child(orphan.pid)) continue;
        log::warning("postgres.orphan_killed", {{"pid", orphan.pid}, {"title", orphan.title}});
        ::kill(orphan.pid, SIGKILL);
    }
}

void start_reaper(asio::io_context& io) {
    if (::getpid() == 1) asio::co_spawn(io, reap_for_ever(), asio::detached);
}

}  // namespace toygres::agent
