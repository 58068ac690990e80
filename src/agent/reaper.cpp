#include "agent/reaper.hpp"

#include "base/file.hpp"
#include "base/log.hpp"
#include "base/process.hpp"

#include <charconv>
#include <csignal>
#include <filesystem>
#include <memory>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

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

// Processes named postgres that have become this one's children without being started by it.
std::vector<pid_t> orphans() {
    std::vector<pid_t> out;
    std::error_code e;
    for (const auto& entry : std::filesystem::directory_iterator("/proc", e)) {
        const auto name = entry.path().filename().string();
        pid_t pid = 0;
        if (std::from_chars(name.data(), name.data() + name.size(), pid).ec != std::errc() || is_own_child(pid))
            continue;
        // "12 (postgres) S 1 …": number, name, state, parent.
        const auto stat = read_file(entry.path().string() + "/stat").value_or("");
        const auto close = stat.rfind(") ");
        if (close == std::string::npos || !stat.substr(0, close).ends_with("(postgres")) continue;
        pid_t parent = 0;
        const auto* digits = stat.data() + std::min(close + 4, stat.size());
        std::from_chars(digits, stat.data() + stat.size(), parent);
        if (parent == ::getpid()) out.push_back(pid);
    }
    return out;
}

}  // namespace

asio::awaitable<void> end_orphans(std::chrono::milliseconds grace) {
    if (::getpid() != 1) co_return;
    asio::steady_timer timer(co_await asio::this_coro::executor, grace);
    co_await timer.async_wait(use);
    for (const auto pid : orphans()) {
        log::warning("postgres.orphan_killed", {{"pid", pid}});
        ::kill(pid, SIGKILL);
    }
}

void start_reaper(asio::io_context& io) {
    if (::getpid() == 1) asio::co_spawn(io, reap_for_ever(), asio::detached);
}

}  // namespace toygres::agent
