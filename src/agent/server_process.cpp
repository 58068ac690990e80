#include "agent/server_process.hpp"

#include "base/log.hpp"

#include <csignal>

namespace toygres::agent {
namespace {

// postmaster.pid is the only word that postgres gives of its readiness without a connection; pg_ctl polls it too.
constexpr std::chrono::milliseconds readiness_interval{5};
constexpr std::chrono::milliseconds readiness_interval_max{250};
constexpr std::chrono::seconds kill_after{10};

}  // namespace

ServerProcess::ServerProcess(asio::any_io_executor executor, const Options& options, const DataDirectory& data,
                             Binaries binaries, std::function<void()> on_change)
    : executor_(std::move(executor)),
      options_(options),
      data_(data),
      binaries_(std::move(binaries)),
      on_change_(std::move(on_change)) {}

Result<void> ServerProcess::start(ha::Role role, Descriptor lock) {
    data_.remove_stale_pid_file();
    data_.restrict_permissions();
    // What must hold whatever ALTER SYSTEM wrote goes on the command line. An agent that dies takes postgres with it:
    // an unsupervised primary could not be fenced.
    const Command command{{binaries_.path("postgres"), "-D", data_.path(), "-c",
                           "config_file=" + options_.private_dir + "/postgresql.conf", "-c",
                           "listen_addresses=" + options_.address, "-c", "ssl=on", "-c", "restart_after_crash=off"},
                          {{"LC_ALL", "C.UTF-8"}, {"TZ", "UTC"}},
                          {lock.get()},
                          SIGQUIT};
    try {
        child_ = std::make_shared<Child>(executor_, command);
    } catch (const ErrorException& e) {
        return std::unexpected(e.error());
    }
    role_ = role;
    stop_asked_ = false;
    started_at_ = now();
    exit_.reset();
    log::info("postgres.started", {{"pid", child_->pid()}, {"role", enum_name(role)}});
    change(Server::starting);
    asio::co_spawn(executor_, supervise(child_), asio::detached);
    asio::co_spawn(executor_, await_readiness(child_), asio::detached);
    return {};
}

void ServerProcess::reload() {
    if (child_) child_->signal(SIGHUP);
}

void ServerProcess::stop(std::chrono::milliseconds limit) {
    if (!child_ || stop_asked_) return;
    stop_asked_ = true;
    child_->signal(SIGINT);
    change(Server::stopping);
    asio::co_spawn(executor_, escalate(child_, limit), asio::detached);
}

asio::awaitable<void> ServerProcess::supervise(std::shared_ptr<Child> child) {
    const auto status = co_await child->wait();
    log::write(stop_asked_ ? log::Level::info : log::Level::error, "postgres.ended",
               {{"how", to_string(status)}, {"asked", stop_asked_}});
    child_.reset();
    exit_ = status;
    role_ = ha::Role::none;
    started_at_.reset();
    change(Server::down);
}

asio::awaitable<void> ServerProcess::await_readiness(std::shared_ptr<Child> child) {
    asio::steady_timer timer(executor_);
    const auto began = std::chrono::steady_clock::now();
    while (child_ == child && state_ == Server::starting) {
        const auto state = data_.postmaster_state();
        if (state == "ready" || state == "standby") {
            const auto took =
                std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - began);
            log::info("postgres.accepting", {{"start_ms", took.count()}});
            change(Server::running);
            co_return;
        }
        // Crash recovery may take long; then a late notice costs little.
        const auto waited =
            std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - began);
        timer.expires_after(std::clamp(waited / 20, readiness_interval, readiness_interval_max));
        co_await timer.async_wait(use);
    }
}

asio::awaitable<void> ServerProcess::escalate(std::shared_ptr<Child> child, std::chrono::milliseconds limit) {
    asio::steady_timer timer(executor_, limit);
    co_await timer.async_wait(use);
    if (child_ != child) co_return;
    log::warning("postgres.stop_escalated", {{"to", "immediate"}, {"after_ms", limit.count()}});
    child->signal(SIGQUIT);
    timer.expires_after(kill_after);
    co_await timer.async_wait(use);
    if (child_ == child) child->signal(SIGKILL);
}

void ServerProcess::change(Server state) {
    state_ = state;
    on_change_();
}

}  // namespace toygres::agent
