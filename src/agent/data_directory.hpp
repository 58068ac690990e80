// The volume and the data directory in it: what state it is in, making it, who may use it.
#pragma once
#include "agent/binaries.hpp"
#include "agent/decision.hpp"
#include "agent/descriptor.hpp"
#include "base/asio.hpp"

#include <optional>
#include <string>

namespace toygres::agent {

class DataDirectory {
  public:
    // `path` is PGDATA; its parent is the volume.
    DataDirectory(std::string path, Binaries binaries);

    Data state() const;
    bool replica_data() const;  // standby.signal
    const std::string& path() const { return path_; }

    // The right to use the volume, held by an open descriptor that postgres and all its backends inherit: it is free
    // only once the last process of a former server is gone, in this pod or in another on the same node. nullopt: not
    // free.
    std::optional<Descriptor> lock() const;

    // initdb (checksums, SCRAM, UTF-8) beside the data directory, made durable, then renamed: whatever ends it
    // half-way, no half-made directory has the final name. What former tries left is removed first. Cancelling ends
    // initdb. Errors: internal/"initdb_failed" with initdb's own words.
    asio::awaitable<Result<void>> bootstrap(std::string password_file, int lock_fd) const;

    // A stale postmaster.pid keeps postgres from starting when the number in it lives again as another process; whoever
    // holds the lock knows that it is stale.
    void remove_stale_pid_file() const;
    // kubelet's fsGroup may have opened the directory to the group; postgres would refuse it.
    void restrict_permissions() const;

    // The highest epoch that this volume has obeyed, kept beside the data directory; 0 when there is none.
    std::int64_t epoch_seen() const;
    Result<void> note_epoch(std::int64_t epoch) const;

    // "ready", "starting", "standby", "stopping" from the last line of postmaster.pid; empty without one.
    std::string postmaster_state() const;

  private:
    void remove_leftovers() const;

    std::string path_;
    std::string volume_;
    Binaries binaries_;
};

}  // namespace toygres::agent
