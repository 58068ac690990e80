// A replica's data as a copy of its primary's.
#pragma once
#include "agent/data_directory.hpp"
#include "agent/options.hpp"
#include "ha/agent_status.hpp"

#include <functional>
#include <optional>
#include <string>

namespace toygres::agent {

// "  1234/5678 kB (21%), 0/1 tablespace", as pg_basebackup reports; nullopt for any other line.
std::optional<ha::CloneProgress> parse_progress(const std::string& line);

struct Clone {
    std::string source;  // the member to copy
    std::string user;    // the replication role
    // Room for the copy beside the data that it replaces: false has that removed first.
    bool room_for_both;
    int lock_fd;  // the volume is in use until the last of the programs is gone
    std::function<void(ha::CloneProgress)> on_progress;
};

// pg_basebackup into a directory beside the data directory, made durable and a replica's, then put in its place. The
// configuration of a replica must be written: the password is there. Whatever ends it, the data directory is the old
// one, the new one or absent. Errors: internal/"tool_failed", internal/"spawn_failed", internal/"file_unwritable".
asio::awaitable<Result<void>> clone_data(const Options& options, const Binaries& binaries, const DataDirectory& data,
                                         Clone clone);

}  // namespace toygres::agent
