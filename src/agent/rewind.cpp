#include "agent/rewind.hpp"

#include "agent/control_file.hpp"
#include "agent/tool.hpp"
#include "agent/upstream.hpp"
#include "base/log.hpp"

#include <fmt/format.h>

namespace toygres::agent {
namespace {

std::unexpected<Error> cannot_rewind(std::string why) {
    return std::unexpected(Error{ErrorKind::conflict, "cannot_rewind", std::move(why)});
}

void log_line(const std::string& line) { log::info("rewind.said", {{"line", line}}); }

// pg_rewind would do it too, but only from 15 on with a configuration outside of the data directory, and without ours
// the checkpoint at the end of recovery recycles the WAL that pg_rewind is about to read.
asio::awaitable<Result<void>> recover(const Options& options, const Binaries& binaries, const DataDirectory& data,
                                      int lock_fd) {
    data.remove_stale_pid_file();
    data.restrict_permissions();
    const Command command{{binaries.path("postgres"), "--single", "-D", data.path(), "-c",
                           "config_file=" + options.private_dir + "/postgresql.conf", "template1"},
                          {{"LC_ALL", "C.UTF-8"}, {"TZ", "UTC"}},
                          {lock_fd}};
    co_return co_await run_tool(command, log_line);
}

Command pg_rewind(const Options& options, const Binaries& binaries, const DataDirectory& data, const Rewind& rewind) {
    return {{binaries.path("pg_rewind"), "--target-pgdata=" + data.path(), "--no-ensure-shutdown",
             "--source-server=" + superuser_conninfo(options, rewind.source)},
            {{"LC_ALL", "C"}},
            {rewind.lock_fd}};
}

// pg_rewind's dry run. false: there is nothing to undo.
asio::awaitable<Result<bool>> needs_rewind(const Options& options, const Binaries& binaries, const DataDirectory& data,
                                           const Rewind& rewind) {
    auto command = pg_rewind(options, binaries, data, rewind);
    command.argv.emplace_back("--dry-run");
    bool needed = true;
    const auto done = co_await run_tool(command, [&needed](const std::string& line) {
        log_line(line);
        // To miss this sentence costs a second look, no more.
        if (line.contains("no rewind required")) needed = false;
    });
    if (!done) co_return std::unexpected(done.error());
    co_return needed;
}

}  // namespace

asio::awaitable<Result<void>> rewind_data(const Options& options, const Binaries& binaries, const DataDirectory& data,
                                          const Psql& psql, Rewind rewind) {
    auto control = co_await read_control_file(binaries, data.path());
    if (!control) co_return cannot_rewind("the control file cannot be read");
    if (control->system_identifier != rewind.known.system_identifier)
        co_return std::unexpected(
            Error{ErrorKind::conflict, "another_system",
                  fmt::format("the data is of system {}, {} is of system {}", control->system_identifier, rewind.source,
                              rewind.known.system_identifier)});
    if (!control->clean)
        if (const auto done = co_await recover(options, binaries, data, rewind.lock_fd); !done)
            co_return cannot_rewind(done.error().message);
    // Who became the primary after this one has begun a timeline. With the same one the two cannot be told apart, and
    // pg_rewind would find nothing to do.
    if (control->timeline == rewind.known.timeline && !data.replica_data())
        co_return cannot_rewind(fmt::format("{} is on timeline {} too", rewind.source, control->timeline));
    if (rewind.to_newer_only && control->timeline > rewind.known.timeline)
        co_return cannot_rewind(fmt::format("the data is of timeline {}, {} is on timeline {}: it is the older one",
                                            control->timeline, rewind.source, rewind.known.timeline));
    const auto needed = co_await needs_rewind(options, binaries, data, rewind);
    if (!needed) {
        if (const auto still = co_await ask_source(psql, rewind.source); !still)
            co_return std::unexpected(still.error());
        co_return cannot_rewind(needed.error().message);
    }
    if (*needed) {
        if (auto noted = rewind.on_point_of_no_return(); !noted) co_return noted;
        if (const auto done = co_await run_tool(pg_rewind(options, binaries, data, rewind), log_line); !done)
            co_return std::unexpected(Error{ErrorKind::internal, "rewind_broken", done.error().message});
    }
    co_return data.make_replica();
}

}  // namespace toygres::agent
