#include "fleet/hollow_world.hpp"

#include "base/crypto.hpp"
#include "base/file.hpp"
#include "base/log.hpp"
#include "fleet/hollow_members.hpp"
#include "localkube/api_server.hpp"
#include "localkube/cluster_identity.hpp"

#include <fmt/format.h>

#include <csignal>
#include <filesystem>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace toygres::bench {
namespace {

using namespace std::chrono_literals;
constexpr const char* ns = "toygres";

void play(const std::string& directory, Sight& sight) {
    log::to_file(directory + "/world.log");
    log::set_level("warning");
    asio::io_context io(1);
    const auto identity = localkube::ClusterIdentity::load_or_make(directory);
    localkube::ObjectStore store(directory + "/objects.db");
    HollowNode node(io, store);
    HollowInstances instances(store, sight);
    HollowMembers members(io, node, instances, sight);
    const auto certificate = identity.server_certificate("127.0.0.1");
    localkube::ApiServerOptions options;
    options.certificate_chain_pem = certificate.certificate_pem;
    options.private_key_pem = certificate.private_key_pem.reveal();
    options.authenticate = [&](std::string_view token) {
        return constant_time_equal(token, identity.admin_token.reveal()) ? std::optional<std::string>("admin")
                                                                         : std::nullopt;
    };
    localkube::ApiServer api(io, options, store, node);
    value_or_raise(store.create({"namespaces", "", ns}, {{"apiVersion", "v1"}, {"kind", "Namespace"}}));
    members.start();
    api.start();
    const auto url = fmt::format("https://127.0.0.1:{}", api.port());
    value_or_raise(write_file_atomically(directory + "/kubeconfig", identity.kubeconfig(url, ns), 0600));
    sight.ready = true;
    io.run();
}

}  // namespace

void enter_own_network() {
    if (::unshare(CLONE_NEWNET) != 0 && ::unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)
        raise(ErrorKind::internal, "no_network",
              "no network namespace can be made: run it as root, or allow unprivileged user namespaces");
    const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ifreq loopback{};
    std::strncpy(loopback.ifr_name, "lo", IFNAMSIZ - 1);
    loopback.ifr_flags = IFF_UP | IFF_RUNNING | IFF_LOOPBACK;
    const bool up = ::ioctl(fd, SIOCSIFFLAGS, &loopback) == 0;
    ::close(fd);
    if (!up) raise(ErrorKind::internal, "no_network", "the loopback of the new network cannot be brought up");
}

HollowWorld::HollowWorld(std::string directory, Sight& sight) : directory_(std::move(directory)) {
    std::filesystem::create_directories(directory_);
    pid_ = ::fork();
    if (pid_ == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        std::signal(SIGPIPE, SIG_IGN);
        try {
            play(directory_, sight);
        } catch (...) {
            fmt::print(stderr, "bench_fleet: the hollow world: {}\n", current_error().message);
        }
        ::_exit(1);
    }
    while (!sight.ready) {
        if (::waitpid(pid_, nullptr, WNOHANG) != 0)
            raise(ErrorKind::internal, "world_not_started", "the process of the hollow world ended at once");
        std::this_thread::sleep_for(10ms);
    }
}

HollowWorld::~HollowWorld() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
}

}  // namespace toygres::bench
