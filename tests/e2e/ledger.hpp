// The client that failover is made for: appends numbered rows through the Service, reconnects on every error, and keeps
// outside of the database what was acknowledged, when, and by which server.
#pragma once
#include "patience.hpp"

#include <pqxx/pqxx>

#include <chrono>
#include <cstdint>
#include <future>
#include <list>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

namespace toygres::test {

struct LedgerOptions {
    int writers = 2;
    std::chrono::milliseconds pause{5};  // of a writer between two rows
    // Neither an answer nor a connection is waited for any longer: a new attempt begins.
    std::chrono::milliseconds answer_timeout{1'500};
    std::chrono::milliseconds connect_timeout{300};
};

class Ledger {
  public:
    // `conninfo`: of the Service. Makes a table of its own and begins to write; throws when that takes over a minute.
    explicit Ledger(std::string conninfo, LedgerOptions options = {});
    ~Ledger();
    Ledger(const Ledger&) = delete;
    Ledger& operator=(const Ledger&) = delete;

    const std::string& table() const { return table_; }  // its one column: id

    // No row is begun any more; what is under way ends.
    void stop();

    std::size_t acknowledged() const;
    // Until so many rows more are acknowledged; false after that many seconds.
    bool goes_on(std::size_t rows = 20, int seconds = patience_s) const;
    // The longest time in which nothing was acknowledged, since the beginning or since forget_gaps(), up to now.
    std::chrono::milliseconds longest_gap() const;
    void forget_gaps();
    // Names of the servers that acknowledged, in order of time, neighbours merged: "db-1", "db-2".
    std::vector<std::string> acknowledged_by() const;
    // Where two servers acknowledged at once, in words; empty when nowhere: two on one timeline, or one on a timeline
    // that another had left behind before the row was even begun. `other`: what another client saw counts as well.
    std::string two_at_once(const Ledger* other = nullptr) const;
    // What the database has to say: acknowledged rows that it lacks, in words; empty when there are none. Reads from
    // whoever is the primary now, for a minute until one answers. `conninfo`: where to read, if not where it writes.
    std::string missing(std::string conninfo = {}) const;

  private:
    using Clock = std::chrono::steady_clock;
    struct Session;
    struct Acknowledgement {
        std::int64_t id;
        Clock::time_point begun;
        Clock::time_point at;
        std::string server;
        std::string timeline;  // as eight digits, the later one the greater: each promotion begins one
    };
    std::vector<Acknowledgement> acknowledgements() const;
    void write(const std::stop_token& stop, int writer);
    // Connections that hang are left to themselves in `dialling` until they fail.
    std::shared_ptr<Session> connect(std::list<std::future<std::shared_ptr<Session>>>& dialling) const;
    bool append(const std::shared_ptr<Session>& session, std::int64_t id);

    const std::string conninfo_;
    const LedgerOptions options_;
    const std::string table_;
    mutable std::mutex mutex_;
    std::vector<Acknowledgement> acknowledgements_;
    Clock::time_point last_;
    Clock::duration longest_gap_{};
    std::vector<std::jthread> writers_;
};

}  // namespace toygres::test
