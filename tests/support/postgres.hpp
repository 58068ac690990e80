// A PostgreSQL server of the test's own: initdb once per process, on a unix socket and a 127.x port, ended with it.
#pragma once
#include <memory>
#include <string>

namespace toygres::test {

// Directory of initdb and its like, of the newest server that is installed. Throws when there is none.
std::string server_binaries();

class PostgresServer {
  public:
    // Starts one; throws when the binaries are missing. Default settings: fsync on.
    PostgresServer();
    ~PostgresServer();
    PostgresServer(const PostgresServer&) = delete;
    PostgresServer& operator=(const PostgresServer&) = delete;

    // "host=… port=… user=postgres dbname=postgres"
    std::string conninfo(const std::string& database = "postgres") const;
    int pid() const;
    // pg_ctl restart -m immediate, and back.
    void restart(const std::string& mode = "fast");
    void stop(const std::string& mode = "fast");
    void start();
    const std::string& directory() const;
    // A new, empty database in this server; its conninfo.
    std::string create_database();

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

// One server for the whole test program, started at first use.
PostgresServer& shared_postgres();

}  // namespace toygres::test
