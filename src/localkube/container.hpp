// One container of a pod through all of its runs: start, probes, restart back-off, end. It knows nothing of its
// siblings: the pod's worker decides when it may start.
#pragma once
#include "localkube/container_plan.hpp"
#include "localkube/container_process.hpp"
#include "localkube/container_user.hpp"
#include "localkube/node_context.hpp"
#include "localkube/pod_status.hpp"
#include "localkube/probe.hpp"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

namespace toygres::localkube {

class Container : public std::enable_shared_from_this<Container> {
  public:
    // `on_change` is called from the io_context whenever view() may give something new.
    Container(std::shared_ptr<NodeContext> node, ObjectPtr pod, Object spec, bool init,
              std::function<void()> on_change);

    // Takes over the newest run found on disk. `old_status` is what the pod's status says of this container, so that
    // a restart of the cluster does not shake the readiness of what runs.
    void adopt(const Object& old_status, const std::string& address);

    // Begins the next run, or says in view() what it waits for; then retry_delay() tells when to try again.
    void start(const ContainerInput& input);
    // How long until start() may be called again after an end or a failed start; nullopt when at once.
    std::optional<std::chrono::milliseconds> retry_delay() const;

    // SIGTERM after the preStop hook, SIGKILL at the grace's end. Again with a shorter grace: the shorter one holds.
    void stop(std::chrono::seconds grace);
    void kill();
    // Leaves the process alone for good: the cluster stops.
    void forget();

    const std::string& name() const { return name_; }
    // Until its end was taken note of, which may be a turn after the process is gone.
    bool is_running() const { return current_ && !current_->ended(); }
    bool has_run() const { return current_.has_value(); }
    bool has_ended() const { return current_ && current_->ended(); }
    int exit_code() const { return current_ ? current_->exit_code : -1; }
    ContainerView view() const;

    // Error: invalid/"container_not_running".
    Result<ExecTarget> exec_target() const;
    // The log of the current (or the one before it) run; nullopt when there is none.
    std::optional<std::string> log_path(bool previous) const;

  private:
    enum class ProbeKind { startup, readiness, liveness };

    void refuse(const std::string& reason, const std::string& message, bool image);
    void on_process_change();
    void on_up();
    void on_end();
    void begin_probes();
    static asio::awaitable<void> probe_loop(std::shared_ptr<Container> self, ProbeKind kind, int run);
    void on_probe(ProbeKind kind, bool ok, const std::string& message);
    static asio::awaitable<void> stop_gracefully(std::shared_ptr<Container> self, Object hook, int run);
    std::string run_directory(int run) const;
    std::string log_file(int run) const;
    void drop_old_runs() const;
    std::string field_path() const;

    std::shared_ptr<NodeContext> node_;
    ObjectPtr pod_;
    Object spec_;
    std::string name_;
    bool init_;
    std::function<void()> on_change_;
    std::string address_;
    std::string image_id_;
    std::shared_ptr<ContainerProcess> process_;
    std::optional<ContainerRun> current_, previous_;
    std::string waiting_reason_, waiting_message_;
    bool up_ = false;  // the process of the current run was seen to exist
    bool started_ = false;
    bool ready_ = false;
    bool stopping_ = false;
    std::optional<std::chrono::steady_clock::time_point> kill_at_;
    asio::steady_timer kill_timer_;
    std::chrono::milliseconds backoff_{0};  // before the next restart
    std::chrono::steady_clock::time_point retry_at_{};
};

}  // namespace toygres::localkube
