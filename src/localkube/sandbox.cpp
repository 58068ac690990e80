#include "localkube/sandbox.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

namespace toygres::localkube {
namespace {

namespace fs = std::filesystem;

// What a container runtime gives a container that runs as root and asks for nothing.
constexpr std::string_view default_capabilities =
    "-all,+chown,+dac_override,+fowner,+fsetid,+kill,+setgid,+setuid,+setpcap,+net_bind_service,+net_raw,+sys_chroot,"
    "+mknod,+audit_write,+setfcap";

bool is_below(const std::string& path, const std::string& directory) {
    return path == directory || (path.starts_with(directory) && (directory == "/" || path[directory.size()] == '/'));
}

std::string canonical(const std::string& path) {
    std::error_code error;
    auto out = fs::weakly_canonical(path, error);
    if (error) out = fs::path(path).lexically_normal();
    auto text = out.string();
    while (text.size() > 1 && text.ends_with('/')) text.pop_back();
    return text;
}

class Layout {
  public:
    void add(std::initializer_list<std::string> words) { options_.insert(options_.end(), words); }

    void tmpfs(const std::string& path, const std::string& mode) {
        add({"--perms", mode, "--tmpfs", path});
        writable_.insert(path);
    }

    // The host's root, entry by entry, so that new mount points can be made beside them.
    void host_root(const std::vector<std::string>& hidden) {
        static const std::set<std::string> own{"proc", "dev", "tmp",   "run",  "home",
                                               "root", "mnt", "media", "boot", "lost+found"};
        std::error_code error;
        std::vector<fs::directory_entry> entries;
        for (const auto& entry : fs::directory_iterator("/", error)) entries.push_back(entry);
        std::ranges::sort(entries);
        for (const auto& entry : entries)
            if (!own.contains(entry.path().filename().string())) show(entry);
        add({"--proc", "/proc", "--dev", "/dev"});
        tmpfs("/dev/shm", "1777");
        tmpfs("/tmp", "1777");
        for (const char* path : {"/run", "/root", "/home"}) tmpfs(path, "0755");
        for (const auto& path : hidden)
            if (const auto real = canonical(path); fs::is_directory(real, error) && !in_own_space(real))
                tmpfs(real, "0755");
    }

    void mount(const SandboxMount& mount) {
        const auto target = canonical(mount.target);
        if (mount.source.empty()) return tmpfs(target, "1777");
        make_mount_point(target, mount.source);
        add({mount.read_only ? "--ro-bind" : "--bind", mount.source, target});
        mounted_.insert(target);
    }

    std::vector<std::string> finish() {
        for (const auto& path : laid_) add({"--remount-ro", path});
        add({"--remount-ro", "/"});
        return std::move(options_);
    }

  private:
    void show(const fs::directory_entry& entry) {
        std::error_code error;
        const auto path = entry.path().string();
        if (entry.is_symlink(error))
            add({"--symlink", fs::read_symlink(path, error).string(), path});
        else
            add({"--ro-bind-try", path, path});
    }

    bool in_own_space(const std::string& path) const {
        const auto covers = [&](const std::string& directory) { return is_below(path, directory); };
        return std::ranges::any_of(writable_, covers) || std::ranges::any_of(mounted_, covers);
    }

    // bwrap makes mount points where it can write. On the host's read-only folders it cannot: there an empty file
    // system is laid over the nearest folder that exists, and what the host has in it is shown again inside.
    void make_mount_point(const std::string& target, const std::string& source) {
        std::error_code error;
        if (in_own_space(target)) return;
        if (fs::exists(target, error) && fs::is_directory(target, error) == fs::is_directory(source, error)) return;
        auto parent = fs::path(target).parent_path();
        while (!fs::is_directory(parent, error)) parent = parent.parent_path();
        if (parent == "/") return;
        tmpfs(parent.string(), "0755");
        laid_.push_back(parent.string());
        for (const auto& entry : fs::directory_iterator(parent, error)) show(entry);
    }

    std::vector<std::string> options_;
    std::set<std::string> writable_;
    std::set<std::string> mounted_;
    std::vector<std::string> laid_;
};

}  // namespace

std::vector<std::string> sandbox_options(const Sandbox& sandbox) {
    Layout layout;
    if (!sandbox.as_root)
        layout.add({"--unshare-user", "--uid", std::to_string(sandbox.uid), "--gid", std::to_string(sandbox.gid)});
    layout.add({"--unshare-pid", "--unshare-ipc", "--unshare-uts", "--hostname", sandbox.hostname, "--as-pid-1",
                "--die-with-parent"});
    layout.host_root(sandbox.hidden);
    std::error_code error;
    auto mounts = sandbox.mounts;
    if (const auto resolver = fs::canonical("/etc/resolv.conf", error).string(); !error && is_below(resolver, "/run"))
        mounts.push_back({resolver, resolver, true});
    // Outer mount points first, so that an inner one is not covered again.
    std::ranges::sort(mounts, {},
                      [](const SandboxMount& m) { return std::pair(std::ranges::count(m.target, '/'), m.target); });
    for (const auto& mount : mounts) layout.mount(mount);
    layout.add({"--chdir", sandbox.working_directory.empty() ? "/" : sandbox.working_directory});
    return layout.finish();
}

std::vector<std::string> sandbox_command(const Sandbox& sandbox, const std::vector<std::string>& command) {
    std::vector<std::string> out{"/usr/bin/setpriv", "--no-new-privs", "--pdeathsig", "KILL"};
    if (sandbox.as_root) {
        const bool powerless = sandbox.uid != 0 || sandbox.drop_capabilities;
        out.insert(out.end(), {"--reuid", std::to_string(sandbox.uid), "--regid", std::to_string(sandbox.gid)});
        if (sandbox.groups.empty())
            out.push_back("--clear-groups");
        else
            out.insert(out.end(), {"--groups", fmt::format("{}", fmt::join(sandbox.groups, ","))});
        out.insert(out.end(), {"--inh-caps", "-all", "--bounding-set",
                               std::string(powerless ? std::string_view("-all") : default_capabilities)});
    }
    out.push_back("--");
    out.insert(out.end(), command.begin(), command.end());
    return out;
}

}  // namespace toygres::localkube
