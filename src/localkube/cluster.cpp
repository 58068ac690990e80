#include "localkube/cluster.hpp"

#include "base/crypto.hpp"
#include "base/file.hpp"
#include "base/log.hpp"
#include "localkube/cluster_identity.hpp"
#include "localkube/service_account_tokens.hpp"

#include <fmt/format.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

namespace toygres::localkube {
namespace {

namespace fs = std::filesystem;

Descriptor lock_directory(const std::string& state_dir) {
    std::error_code error;
    if (fs::create_directories(state_dir, error)) ::chmod(state_dir.c_str(), 0700);
    auto lock = try_lock_file(state_dir + "/cluster.lock");
    if (!lock)
        raise(ErrorKind::conflict, "cluster_running",
              fmt::format("{}: another process runs this cluster, or the directory cannot be written", state_dir));
    return lock;
}

unsigned short port_before(const std::string& state_dir) {
    return static_cast<unsigned short>(std::atoi(read_file(state_dir + "/port").value_or("0").c_str()));
}

}  // namespace

class Cluster::Impl {
  public:
    Impl(asio::io_context& io, ClusterOptions options)
        : options_(absolute(std::move(options))),
          lock_(lock_directory(options_.state_dir)),
          identity_(ClusterIdentity::load_or_make(options_.state_dir)),
          tokens_(identity_.token_key),
          store_(options_.state_dir + "/objects.db"),
          relay_(*this),
          api_(io, api_options(), store_, relay_) {
        if (const auto self = identify_process(::getpid()))
            value_or_raise(write_file_atomically(options_.state_dir + "/cluster.pid", encode(*self).dump()));
        value_or_raise(write_file_atomically(options_.state_dir + "/port", std::to_string(api_.port())));
        LocalNodeOptions node;
        node.state_dir = options_.state_dir;
        node.api_url = url();
        node.api_ca_pem = identity_.ca.certificate_pem;
        node.agent_path = options_.agent_path;
        node.mint_token = [this](const std::string& ns, const std::string& account) {
            return tokens_.mint(ns, account);
        };
        node.shim_command = options_.shim_command;
        node.hidden_paths = options_.hidden_paths;
        node.restart_backoff = options_.restart_backoff;
        node_ = std::make_unique<LocalNode>(io, std::move(node), store_);
    }

    void start() {
        node_->start();
        (void)store_.create({"namespaces", "", options_.kube_namespace},
                            {{"apiVersion", "v1"},
                             {"kind", "Namespace"},
                             {"metadata", {{"labels", {{"kubernetes.io/metadata.name", options_.kube_namespace}}}}}});
        api_.start();
        value_or_raise(
            write_file_atomically(kubeconfig_path(), identity_.kubeconfig(url(), options_.kube_namespace), 0600));
        log::info("cluster.started", {{"url", url()}, {"state_dir", options_.state_dir}, {"pid", ::getpid()}});
    }

    asio::awaitable<void> stop(bool stop_pods) {
        // The node first: while pods end, their status can still be watched.
        co_await node_->stop(stop_pods);
        co_await api_.stop();
        log::info("cluster.stopped", {{"pods_ended", stop_pods}});
    }

    unsigned short port() const { return api_.port(); }
    std::string kubeconfig_path() const { return options_.state_dir + "/kubeconfig"; }

  private:
    // The API is bound before the node exists, because pods are told where the API is.
    class Relay : public Node {
      public:
        explicit Relay(Impl& cluster) : cluster_(cluster) {}
        asio::awaitable<Result<void>> logs(ObjectPtr pod, LogQuery query,
                                           std::function<asio::awaitable<bool>(std::string_view)> on_data) override {
            return cluster_.node_->logs(std::move(pod), std::move(query), std::move(on_data));
        }
        Result<std::unique_ptr<ExecSession>> exec(ObjectPtr pod, const std::string& container,
                                                  std::vector<std::string> command, bool tty,
                                                  bool with_stdin) override {
            return cluster_.node_->exec(std::move(pod), container, std::move(command), tty, with_stdin);
        }

      private:
        Impl& cluster_;
    };

    static ClusterOptions absolute(ClusterOptions options) {
        options.state_dir = fs::absolute(options.state_dir).lexically_normal().string();
        while (options.state_dir.size() > 1 && options.state_dir.ends_with('/')) options.state_dir.pop_back();
        return options;
    }

    ApiServerOptions api_options() {
        const auto certificate = identity_.server_certificate(options_.address);
        ApiServerOptions out;
        out.address = options_.address;
        out.port = options_.port != 0 ? options_.port : port_before(options_.state_dir);
        out.certificate_chain_pem = certificate.certificate_pem;
        out.private_key_pem = certificate.private_key_pem.reveal();
        out.authenticate = [this](std::string_view token) { return authenticate(token); };
        return out;
    }

    std::optional<std::string> authenticate(std::string_view token) const {
        if (constant_time_equal(token, identity_.admin_token.reveal())) return "admin";
        const auto account = tokens_.verify(token);
        if (!account || !store_.get({"serviceaccounts", account->ns, account->name})) return std::nullopt;
        return fmt::format("system:serviceaccount:{}:{}", account->ns, account->name);
    }

    std::string url() const {
        return fmt::format("https://{}:{}", options_.address == "0.0.0.0" ? "127.0.0.1" : options_.address,
                           api_.port());
    }

    ClusterOptions options_;
    Descriptor lock_;
    ClusterIdentity identity_;
    ServiceAccountTokens tokens_;
    ObjectStore store_;
    Relay relay_;
    ApiServer api_;
    std::unique_ptr<LocalNode> node_;
};

Cluster::Cluster(asio::io_context& io, ClusterOptions options)
    : impl_(std::make_unique<Impl>(io, std::move(options))) {}
Cluster::~Cluster() = default;
void Cluster::start() { impl_->start(); }
asio::awaitable<void> Cluster::stop(bool stop_pods) { return impl_->stop(stop_pods); }
unsigned short Cluster::port() const { return impl_->port(); }
std::string Cluster::kubeconfig_path() const { return impl_->kubeconfig_path(); }

int run_cluster(ClusterOptions options) {
    // Exec sessions and log streams write to peers that may be gone.
    std::signal(SIGPIPE, SIG_IGN);
    try {
        asio::io_context io(1);
        Cluster cluster(io, std::move(options));
        asio::signal_set signals(io, SIGTERM, SIGINT, SIGUSR1);
        cluster.start();
        signals.async_wait([&](boost::system::error_code error, int signal) {
            if (error) return;
            asio::co_spawn(io, cluster.stop(signal == SIGUSR1), [&](std::exception_ptr) { io.stop(); });
        });
        io.run();
        return 0;
    } catch (const ErrorException& e) {
        log::error("cluster.failed", {{"code", e.error().code}, {"error", e.error().message}});
        return 1;
    }
}

std::optional<ProcessId> running_cluster(const std::string& state_dir) {
    if (!fs::exists(state_dir + "/cluster.lock") || try_lock_file(state_dir + "/cluster.lock")) return std::nullopt;
    const auto text = read_file(state_dir + "/cluster.pid");
    const auto json = text ? parse_json(*text) : std::unexpected(text.error());
    if (!json) return std::nullopt;
    // One that was killed has left its number; the new one, which holds the lock already, writes its own when it is up.
    const auto process = decode<ProcessId>(*json);
    return identify_process(process.pid) == process ? std::optional(process) : std::nullopt;
}

Result<void> end_cluster(const std::string& state_dir, bool stop_pods, std::chrono::seconds time_limit) {
    const auto deadline = std::chrono::steady_clock::now() + time_limit;
    if (const auto process = running_cluster(state_dir)) signal_process(*process, stop_pods ? SIGUSR1 : SIGTERM);
    while (const auto process = running_cluster(state_dir)) {
        if (std::chrono::steady_clock::now() > deadline)
            return std::unexpected(Error{ErrorKind::timeout, "cluster_not_ended",
                                         fmt::format("process {} of the cluster does not end", process->pid)});
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    // A cluster that was killed has left its pods to us.
    if (stop_pods && !stop_all_pods(state_dir))
        return std::unexpected(Error{ErrorKind::timeout, "cluster_not_ended", "a pod of the cluster does not end"});
    return {};
}

}  // namespace toygres::localkube
