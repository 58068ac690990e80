// The database of the crash tests: a PostgreSQL with a synchronous standby, each on a file system of its own, that can
// be restarted, failed over, and run out of space.
#pragma once
#include <string>
#include <sys/types.h>

namespace toygres::crash {

class Database {
  public:
    Database();
    ~Database();
    Database(const Database&) = delete;
    Database& operator=(const Database&) = delete;

    // Leads to whichever of the two takes writes.
    std::string conninfo() const;
    const std::string& directory() const { return root_; }

    void terminate_sessions() const;
    void restart();
    // The primary dies, the standby is promoted, and the old primary begins anew as its standby.
    void fail_over();
    // Whether the file systems are small ones, which needs the right to mount.
    bool can_be_filled() const { return mounted_; }
    // Not a byte is free on the primary's.
    void fill();
    // There is room again; a server that gave up is started.
    void empty();

  private:
    std::string node(int n) const;
    void start(int n) const;
    void stop(int n) const;
    void make_standby(int n) const;
    std::string server_command(int n, const std::string& what) const;
    std::string sql(int n, const std::string& text) const;

    std::string root_;
    std::string bin_;
    int primary_ = 0;
    bool mounted_ = false;
};

}  // namespace toygres::crash
