#include "agent/server_process.hpp"

#include "agent/control_file.hpp"
#include "agent/process_table.hpp"
#include "agent/reaper.hpp"
#include "base/assert.hpp"
#include "base/file.hpp"
#include "base/log.hpp"

#include <csignal>

namespace toygres::agent {
namespace {

// postmaster.pid is the only word that postgres gives of its readiness without a connection; pg_ctl polls it too.
constexpr std::chrono::milliseconds readiness_interval{5};
constexpr std::chrono::milliseconds readiness_interval_max{250};
// Backends notice the death of their postmaster at once, unless they are stopped.
constexpr std::chrono::milliseconds orphan_grace{1'000};

std::chrono::milliseconds since(std::chrono::steady_clock::time_point then) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - then);
}

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
    promoting_ = false;
    stop_asked_ = false;
    stop_trouble_.clear();
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

// What pg_ctl does.
Result<void> ServerProcess::promote() {
    TG_ASSERT(child_ && state_ == Server::running);
    if (auto written = write_file_atomically(data_.path() + "/promote", "", 0600); !written) return written;
    note_promotion();
    child_->signal(SIGUSR1);
    return {};
}

void ServerProcess::note_promotion() {
    TG_ASSERT(child_ && state_ == Server::running);
    log::info("postgres.promoted", {{"pid", child_->pid()}});
    role_ = ha::Role::primary;
    promoting_ = true;
    asio::co_spawn(executor_, await_promotion(child_), asio::detached);
}

void ServerProcess::stop(std::chrono::milliseconds limit, std::chrono::milliseconds kill_after) {
    if (!child_) return;
    const auto deadline = std::chrono::steady_clock::now() + limit;
    if (stop_asked_ && deadline >= stop_deadline_) return;
    stop_deadline_ = deadline;
    asio::co_spawn(executor_, escalate(child_, limit, kill_after), asio::detached);
    if (std::exchange(stop_asked_, true)) return;
    child_->signal(SIGINT);
    change(Server::stopping);
}

asio::awaitable<void> ServerProcess::supervise(std::shared_ptr<Child> child) {
    const auto status = co_await child->wait();
    log::write(stop_asked_ ? log::Level::info : log::Level::error, "postgres.ended",
               {{"how", to_string(status)}, {"asked", stop_asked_}});
    child_.reset();
    exit_ = status;
    role_ = ha::Role::none;
    promoting_ = false;
    started_at_.reset();
    asio::co_spawn(executor_, end_orphans(orphan_grace), asio::detached);
    change(Server::down);
}

asio::awaitable<void> ServerProcess::await_readiness(std::shared_ptr<Child> child) {
    asio::steady_timer timer(executor_);
    const auto began = std::chrono::steady_clock::now();
    while (child_ == child && state_ == Server::starting) {
        const auto state = data_.postmaster_state();
        if (state == "ready" || state == "standby") {
            log::info("postgres.accepting", {{"start_ms", since(began).count()}});
            change(Server::running);
            co_return;
        }
        // Crash recovery may take long; then a late notice costs little.
        timer.expires_after(std::clamp(since(began) / 20, readiness_interval, readiness_interval_max));
        co_await timer.async_wait(use);
    }
}

asio::awaitable<void> ServerProcess::await_promotion(std::shared_ptr<Child> child) {
    asio::steady_timer timer(executor_);
    const auto began = std::chrono::steady_clock::now();
    while (child_ == child && promoting_) {
        // postmaster.pid says nothing of it.
        if (const auto control = co_await read_control_file(binaries_, data_.path());
            control && control->read_write && child_ == child) {
            log::info("postgres.read_write", {{"promotion_ms", since(began).count()}});
            promoting_ = false;
            on_change_();
            co_return;
        }
        timer.expires_after(std::clamp(since(began) / 20, readiness_interval, readiness_interval_max));
        co_await timer.async_wait(use);
    }
}

asio::awaitable<void> ServerProcess::escalate(std::shared_ptr<Child> child, std::chrono::milliseconds limit,
                                              std::chrono::milliseconds kill_after) {
    asio::steady_timer timer(executor_, limit);
    co_await timer.async_wait(use);
    if (child_ != child) co_return;
    const auto left = describe_children(child->pid());
    log::warning("postgres.stop_escalated", {{"to", "immediate"}, {"after_ms", limit.count()}, {"left", left}});
    stop_trouble_ = fmt::format("postgres did not end within {} ms; what was left: {}", limit.count(), left);
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
