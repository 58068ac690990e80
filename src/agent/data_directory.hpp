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
    // A data directory is there, and standby.signal surely is not.
    bool has_left_recovery() const;
    const std::string& path() const { return path_; }
    const std::string& volume() const { return volume_; }

    // The right to use the volume, held by an open descriptor that postgres and all its backends inherit: it is free
    // only once the last process of a former server is gone, in this pod or in another on the same node. nullopt: not
    // free.
    std::optional<Descriptor> lock() const;

    // initdb (checksums, SCRAM, UTF-8) beside the data directory, made durable, then renamed: whatever ends it
    // half-way, no half-made directory has the final name. What former tries left is removed first. Cancelling ends
    // initdb. Errors: internal/"initdb_failed" with initdb's own words.
    asio::awaitable<Result<void>> bootstrap(std::string password_file, int lock_fd) const;

    // A name beside the data directory for one that is to take its place; what former tries left is removed.
    std::string begin_new() const;
    // Gives the directory at `path`, made durable, the final name; what had that name before is removed. A kill at any
    // point leaves the one or the other whole under the final name, or none. Error: internal/"file_unwritable".
    Result<void> adopt(const std::string& path) const;
    // Removes the data directory; a kill half-way leaves nothing under its name. Error: internal/"file_unwritable".
    Result<void> remove() const;

    // Makes the data, or that in the directory given, a replica's, durably: from then on it starts in recovery.
    // Error: internal/"file_unwritable".
    Result<void> make_replica() const { return make_replica(path_); }
    static Result<void> make_replica(const std::string& path);

    // A stale postmaster.pid keeps postgres from starting when the number in it lives again as another process; whoever
    // holds the lock knows that it is stale.
    void remove_stale_pid_file() const;
    // kubelet's fsGroup may have opened the directory to the group; postgres would refuse it.
    void restrict_permissions() const;

    // "ready", "starting", "standby", "stopping" from the last line of postmaster.pid; empty without one.
    std::string postmaster_state() const;

  private:
    void remove_leftovers() const;

    std::string path_;
    std::string volume_;
    Binaries binaries_;
};

}  // namespace toygres::agent
