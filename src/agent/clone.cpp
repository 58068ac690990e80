#include "agent/clone.hpp"

#include "agent/tool.hpp"
#include "agent/upstream.hpp"

#include <cinttypes>
#include <cstdio>

namespace toygres::agent {

std::optional<ha::CloneProgress> parse_progress(const std::string& line) {
    std::int64_t done_kb = 0;
    std::int64_t total_kb = 0;
    int end = 0;
    if (std::sscanf(line.c_str(), " %" SCNd64 "/%" SCNd64 " kB (%n", &done_kb, &total_kb, &end) != 2 || end == 0)
        return std::nullopt;
    return ha::CloneProgress{done_kb * 1024, total_kb * 1024};
}

asio::awaitable<Result<void>> clone_data(const Options& options, const Binaries& binaries, const DataDirectory& data,
                                         Clone clone) {
    if (!clone.room_for_both)
        if (auto removed = data.remove(); !removed) co_return removed;
    const auto path = data.begin_new();
    const Command command{{binaries.path("pg_basebackup"), "--pgdata=" + path, "--wal-method=stream",
                           "--checkpoint=fast", "--no-password", "--progress",
                           "--dbname=" + replication_conninfo(options, clone.source, clone.user, "toygres-clone")},
                          {{"LC_ALL", "C"}},
                          {clone.lock_fd}};
    // It writes everything to disk before it ends.
    auto done = co_await run_tool(command, [&clone](const std::string& line) {
        if (const auto progress = parse_progress(line)) clone.on_progress(*progress);
    });
    if (!done) co_return done;
    if (auto made = DataDirectory::make_replica(path); !made) co_return made;
    co_return data.adopt(path);
}

}  // namespace toygres::agent
