#include "localkube/container.hpp"

#include "base/crypto.hpp"
#include "base/file.hpp"
#include "base/log.hpp"
#include "localkube/object_fields.hpp"

#include <fmt/format.h>

#include <csignal>
#include <filesystem>

namespace toygres::localkube {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr int backoff_factor_max = 30;                    // 10 s up to 5 min
constexpr std::chrono::minutes good_run{10};              // forgives earlier crashes
constexpr std::chrono::milliseconds eager_interval{100};  // between cheap probes while nothing is up yet
constexpr std::chrono::seconds eager_for{30};
constexpr const char* unknown_end = "ContainerStatusUnknown";

std::string id_of(const Object& pod, const std::string& container, int run) {
    return "local://" + sha256_hex(fmt::format("{}/{}/{}", uid_of(pod), container, run));
}

ContainerRun run_from(std::string id, int number, const ContainerProcess& process) {
    ContainerRun run{number, std::move(id), {}, {}};
    if (process.state()) run.started_at = process.state()->started_at;
    if (const auto& exit = process.exit()) {
        run.finished_at = exit->finished_at;
        run.exit_code = exit->started ? exit->exit_code : 128;
        run.reason = !exit->started ? "StartError" : exit->exit_code == 0 ? "Completed" : "Error";
        run.message = exit->message;
        if (exit->started && !exit->message.empty()) run.reason = unknown_end;
    }
    return run;
}

}  // namespace

Container::Container(std::shared_ptr<NodeContext> node, ObjectPtr pod, Object spec, bool init,
                     std::function<void()> on_change)
    : node_(std::move(node)),
      pod_(std::move(pod)),
      spec_(std::move(spec)),
      name_(text_at(spec_, "name")),
      init_(init),
      on_change_(std::move(on_change)),
      kill_timer_(node_->io) {}

std::string Container::run_directory(int run) const {
    return fmt::format("{}/containers/{}/{}", node_->pod_directory(uid_of(*pod_)), name_, run);
}

std::string Container::log_file(int run) const {
    return fmt::format("{}/{}/{}.log", node_->log_directory(namespace_of(*pod_), name_of(*pod_), uid_of(*pod_)), name_,
                       run);
}

std::string Container::field_path() const {
    return fmt::format("spec.{}{{{}}}", init_ ? "initContainers" : "containers", name_);
}

void Container::adopt(const Object& old_status, const std::string& address) {
    address_ = address;
    int newest = -1;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(fs::path(run_directory(0)).parent_path(), error))
        newest = std::max(newest, std::atoi(entry.path().filename().c_str()));
    if (newest < 0) return;
    image_id_ = text_at(old_status, "imageID");
    if (newest > 0) {
        const auto before = ContainerProcess::adopt(node_->io, run_directory(newest - 1), nullptr);
        if (before->exit()) previous_ = run_from(id_of(*pod_, name_, newest - 1), newest - 1, *before);
        before->forget();
    }
    if (!fs::exists(run_directory(newest) + "/spec.json")) {
        current_ = previous_;  // a run that never came to be
        return;
    }
    process_ = ContainerProcess::adopt(node_->io, run_directory(newest), [weak = weak_from_this()] {
        if (const auto self = weak.lock()) self->on_process_change();
    });
    current_ = run_from(id_of(*pod_, name_, newest), newest, *process_);
    if (current_->ended()) return;
    if (process_->state()) up_ = true;
    if (int_at(old_status, "restartCount", -1) == newest) {
        started_ = flag_at(old_status, "started");
        ready_ = flag_at(old_status, "ready");
    }
    if (up_) begin_probes();
}

void Container::refuse(const std::string& reason, const std::string& message, bool image) {
    const auto initial = node_->options.restart_backoff;
    if (waiting_reason_ != reason || waiting_message_ != message) {
        node_->events.warning(
            *pod_, "kubelet", image ? "Failed" : "FailedCreate",
            image ? fmt::format("Failed to pull image \"{}\": {}", text_at(spec_, "image"), message) : message,
            field_path());
        backoff_ = 0ms;
    }
    backoff_ = std::clamp(backoff_ * 2, initial, initial * backoff_factor_max);
    retry_at_ = Clock::now() + (image ? backoff_ : std::min<std::chrono::milliseconds>(initial, 2s));
    waiting_reason_ = reason;
    waiting_message_ = message;
}

void Container::start(const ContainerInput& input) {
    pod_ = input.pod;
    address_ = input.address;
    const int number = current_ ? current_->number + 1 : 0;
    const auto directory = run_directory(number);
    std::error_code error;
    fs::remove_all(directory, error);
    fs::create_directories(directory, error);
    fs::create_directories(fs::path(log_file(number)).parent_path(), error);
    const auto plan = plan_container(*node_, spec_, input, directory, log_file(number));
    if (!plan) {
        fs::remove_all(directory, error);
        if (plan.error().code == "image_unavailable") return refuse("ImagePullBackOff", plan.error().message, true);
        return refuse("CreateContainerConfigError", plan.error().message, false);
    }
    auto process = ContainerProcess::start(node_->io, node_->options.shim_command, directory, plan->shim,
                                           [weak = weak_from_this()] {
                                               if (const auto self = weak.lock()) self->on_process_change();
                                           });
    if (!process) return refuse("RunContainerError", process.error().message, false);
    if (!waiting_reason_.empty() && waiting_reason_ != "CrashLoopBackOff") backoff_ = 0ms;
    waiting_reason_.clear();
    waiting_message_.clear();
    image_id_ = plan->image_id;
    process_ = *std::move(process);
    previous_ = current_;
    current_ = ContainerRun{number, id_of(*pod_, name_, number), {}, {}};
    up_ = started_ = ready_ = stopping_ = false;
    kill_at_.reset();
    node_->events.normal(*pod_, "kubelet", "Pulled",
                         fmt::format("Container image \"{}\" already present on machine", text_at(spec_, "image")),
                         field_path());
    node_->events.normal(*pod_, "kubelet", "Created", "Created container " + name_, field_path());
    drop_old_runs();
}

void Container::drop_old_runs() const {
    std::error_code error;
    for (int run = current_->number - 2; run >= 0 && fs::exists(run_directory(run), error); --run) {
        fs::remove_all(run_directory(run), error);
        fs::remove(log_file(run), error);
        fs::remove(log_file(run) + ".1", error);
    }
}

void Container::on_process_change() {
    if (node_->stopped || !process_) return;
    if (process_->state() && !up_) on_up();
    if (process_->exit() && !current_->ended()) on_end();
    on_change_();
}

void Container::on_up() {
    up_ = true;
    current_->started_at = process_->state()->started_at;
    node_->events.normal(*pod_, "kubelet", "Started", "Started container " + name_, field_path());
    if (!process_->exit()) begin_probes();
}

void Container::on_end() {
    const auto started_at = current_->started_at;
    current_ = run_from(current_->id, current_->number, *process_);
    if (current_->started_at.empty()) current_->started_at = started_at;
    started_ = ready_ = false;
    kill_timer_.cancel();
    if (init_ && current_->exit_code == 0) ready_ = true;
    const auto& run = *current_;
    if (run.reason == "StartError")
        node_->events.warning(*pod_, "kubelet", "Failed", "Error: failed to start container: " + run.message,
                              field_path());
    // As the kubelet counts: the first restart comes at once, each further one later; a good run forgives.
    const auto began = parse_rfc3339(run.started_at);
    const auto ended = parse_rfc3339(run.finished_at);
    const auto initial = node_->options.restart_backoff;
    if (began && ended && *ended - *began >= good_run) backoff_ = 0ms;
    retry_at_ = Clock::now() + backoff_;
    if (backoff_ > 0ms) {
        waiting_reason_ = "CrashLoopBackOff";
        waiting_message_ =
            fmt::format("back-off {} restarting failed container={} pod={}_{}({})", format_duration(backoff_), name_,
                        name_of(*pod_), namespace_of(*pod_), uid_of(*pod_));
    }
    backoff_ = std::clamp(backoff_ * 2, initial, initial * backoff_factor_max);
}

std::optional<std::chrono::milliseconds> Container::retry_delay() const {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(retry_at_ - Clock::now());
    if (left <= 0ms) return std::nullopt;
    return left;
}

void Container::begin_probes() {
    const bool has_startup = spec_.contains("startupProbe");
    const bool has_readiness = spec_.contains("readinessProbe");
    if (!has_startup) started_ = true;
    if (init_) return;
    const int run = current_->number;
    const auto loop = [&](ProbeKind kind) {
        asio::co_spawn(node_->io, probe_loop(shared_from_this(), kind, run), asio::detached);
    };
    if (!started_) return loop(ProbeKind::startup);
    if (!has_readiness)
        ready_ = true;
    else
        loop(ProbeKind::readiness);
    if (spec_.contains("livenessProbe")) loop(ProbeKind::liveness);
}

asio::awaitable<void> Container::probe_loop(std::shared_ptr<Container> self, ProbeKind kind, int run) {
    constexpr const char* fields[] = {"startupProbe", "readinessProbe", "livenessProbe"};
    constexpr const char* titles[] = {"Startup", "Readiness", "Liveness"};
    const auto index = static_cast<std::size_t>(kind);
    Probe probe(self->node_->io, self->spec_.at(fields[index]), self->spec_, self->address_);
    const auto goes_on = [&] {
        return !self->node_->stopped && self->current_->number == run && !self->current_->ended() && !self->stopping_;
    };
    asio::steady_timer timer(self->node_->io);
    const auto began = Clock::now();
    auto next_counted = began + probe.initial_delay() + probe.period();
    if (!self->started_ || !self->ready_) {
        timer.expires_after(probe.initial_delay());
        co_await timer.async_wait(use);
    }
    int successes = 0, failures = 0;
    bool passed = kind == ProbeKind::liveness || (kind == ProbeKind::readiness && self->ready_);
    while (goes_on()) {
        std::optional<ExecTarget> target;
        if (!probe.is_cheap()) {
            auto found = self->exec_target();
            if (!found) co_return;
            target = *std::move(found);
        }
        const auto asked = Clock::now();
        const auto outcome = co_await probe.attempt(std::move(target));
        if (!goes_on()) co_return;
        if (outcome.ok) {
            failures = 0;
            if (++successes >= probe.success_threshold()) {
                passed = true;
                self->on_probe(kind, true, {});
                if (kind == ProbeKind::startup) co_return;
            }
        } else {
            successes = 0;
            // What is asked more often than the period counts once in it.
            if (Clock::now() >= next_counted || (passed && kind != ProbeKind::startup)) {
                next_counted = asked + probe.period();
                self->node_->events.warning(*self->pod_, "kubelet", "Unhealthy",
                                            fmt::format("{} probe failed: {}", titles[index], outcome.message),
                                            self->field_path());
                if (++failures >= probe.failure_threshold()) {
                    passed = kind == ProbeKind::liveness;
                    self->on_probe(kind, false, outcome.message);
                }
            }
        }
        const bool eager = !passed && successes == 0 && probe.is_cheap() && Clock::now() - began < eager_for;
        timer.expires_at(asked + (eager ? std::chrono::milliseconds(eager_interval) : probe.period()));
        co_await timer.async_wait(use);
    }
}

void Container::on_probe(ProbeKind kind, bool ok, const std::string&) {
    if (kind == ProbeKind::readiness) {
        if (ready_ == ok) return;
        ready_ = ok;
        return on_change_();
    }
    if (ok) {
        if (kind == ProbeKind::liveness) return;
        started_ = true;
        begin_probes();
        return on_change_();
    }
    const bool startup = kind == ProbeKind::startup;
    node_->events.normal(
        *pod_, "kubelet", "Killing",
        fmt::format("Container {} failed {} probe, will be restarted", name_, startup ? "startup" : "liveness"),
        field_path());
    const auto& own = field_at(spec_, startup ? "startupProbe" : "livenessProbe");
    stop(std::chrono::seconds(
        int_at(own, "terminationGracePeriodSeconds", int_at(*pod_, "spec.terminationGracePeriodSeconds", 30))));
    on_change_();
}

void Container::stop(std::chrono::seconds grace) {
    if (!is_running()) return;
    const auto deadline = Clock::now() + grace;
    if (!kill_at_ || deadline < *kill_at_) {
        kill_at_ = deadline;
        kill_timer_.expires_at(deadline);
        kill_timer_.async_wait([weak = weak_from_this(), run = current_->number](boost::system::error_code error) {
            const auto self = weak.lock();
            if (!error && self && !self->node_->stopped && self->current_->number == run) self->kill();
        });
    }
    if (std::exchange(stopping_, true)) return;
    ready_ = false;
    asio::co_spawn(node_->io,
                   stop_gracefully(shared_from_this(), field_at(spec_, "lifecycle.preStop"), current_->number),
                   asio::detached);
}

asio::awaitable<void> Container::stop_gracefully(std::shared_ptr<Container> self, Object hook, int run) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(*self->kill_at_ - Clock::now());
    if (const auto& command = list_at(hook, "exec.command"); !command.empty() && left > 0ms) {
        std::vector<std::string> words;
        for (const auto& word : command) words.push_back(word.get<std::string>());
        if (auto target = self->exec_target())
            (void)co_await exec_and_wait(self->node_->io, *std::move(target), std::move(words), left);
    } else if (const auto seconds = int_at(hook, "sleep.seconds"); seconds > 0 && left > 0ms) {
        asio::steady_timer timer(self->node_->io,
                                 std::min<std::chrono::milliseconds>(left, std::chrono::seconds(seconds)));
        co_await timer.async_wait(use);
    }
    if (!self->node_->stopped && self->current_->number == run && self->is_running()) self->process_->signal(SIGTERM);
}

void Container::kill() {
    stopping_ = true;
    if (is_running()) process_->signal(SIGKILL);
}

void Container::forget() {
    if (process_) process_->forget();
    kill_timer_.cancel();
}

ContainerView Container::view() const {
    ContainerView out{name_, text_at(spec_, "image"), image_id_, init_, current_, previous_, {}, {}, started_, ready_};
    const bool waits = !current_ || current_->ended();
    if (waits) {
        out.waiting_reason = waiting_reason_;
        out.waiting_message = waiting_message_;
    }
    return out;
}

Result<ExecTarget> Container::exec_target() const {
    if (!is_running() || !process_->state())
        return std::unexpected(
            Error{ErrorKind::invalid, "container_not_running", fmt::format("container {} is not running", name_)});
    const auto user = container_user(*pod_, spec_);
    if (!user) return std::unexpected(user.error());
    const auto text = read_file(run_directory(current_->number) + "/spec.json");
    if (!text) return std::unexpected(text.error());
    const auto json = parse_json(*text);
    if (!json) return std::unexpected(json.error());
    return ExecTarget{process_->state()->init, *user, decode<ShimSpec>(*json).environment, text_at(spec_, "workingDir"),
                      node_->as_root};
}

std::optional<std::string> Container::log_path(bool previous) const {
    if (!current_) return std::nullopt;
    const int run = current_->number - (previous ? 1 : 0);
    if (run < 0) return std::nullopt;
    return log_file(run);
}

}  // namespace toygres::localkube
