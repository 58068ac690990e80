#include "small_volumes.hpp"

#include "scenario.hpp"

#include <fmt/format.h>

#include <fcntl.h>
#include <filesystem>
#include <sys/mount.h>
#include <unistd.h>

namespace toygres::test {

namespace fs = std::filesystem;

namespace {

constexpr auto volume_options = "size=1g,mode=0777";

}  // namespace

bool may_mount() {
    const auto probe = fs::temp_directory_path() / fmt::format("toygres-mount-{}", ::getpid());
    fs::create_directories(probe);
    const bool may = ::mount("tmpfs", probe.c_str(), "tmpfs", 0, "size=1m") == 0;
    if (may) ::umount2(probe.c_str(), MNT_DETACH);
    fs::remove(probe);
    return may;
}

SmallVolumes::SmallVolumes(Stack& stack, const std::string& name, const Json& more) {
    std::string operation;
    {
        // What the claims' directories are called is known once the instance is on record, and must be there before
        // the cluster makes them.
        const Frozen cluster({stack.cluster_pid()});
        operation = stack.create(name, more);
        std::string k8s_name;
        REQUIRE(eventually([&] {
            k8s_name = stack.value(
                fmt::format("SELECT k8s_name FROM instances WHERE user_name = '{}' AND state <> 'deleted'", name));
            return !k8s_name.empty();
        }));
        for (const auto* ordinal : {"1", "2"}) {
            const auto member = fmt::format("{}-{}", k8s_name, ordinal);
            const auto path = fmt::format("{}/cluster/volumes/toygres/{}-data", stack.directory, member);
            fs::create_directories(path);
            REQUIRE(::mount("tmpfs", path.c_str(), "tmpfs", 0, volume_options) == 0);
            paths_.emplace(member, path);
        }
    }
    const auto made = stack.wait_operation(operation);
    INFO(made.dump());
    REQUIRE(made.at("state") == "succeeded");
    db_ = std::make_unique<Replicated>(stack, name, Replicated::Running());
}

SmallVolumes::~SmallVolumes() {
    for (const auto& [member, path] : paths_) ::umount2(path.c_str(), MNT_DETACH);
}

void SmallVolumes::fill(const std::string& member) const {
    const int file = ::open(ballast(member).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    REQUIRE(file >= 0);
    off_t size = 0;
    for (off_t step = 1 << 30; step >= 4096; step /= 2)
        while (::posix_fallocate(file, size, step) == 0) size += step;
    ::close(file);
    CHECK(fs::space(paths_.at(member)).available < 4096);
}

void SmallVolumes::make_room(const std::string& member) const { fs::remove(ballast(member)); }

}  // namespace toygres::test
