// What the cases of replication and failover share: the instance that they break, the client that writes to it, and
// what has to hold at the end. In brackets after a case's name: the peers' tests that ask the same.
#pragma once
#include "ledger.hpp"
#include "replicated.hpp"

namespace toygres::test {

using Strings = std::vector<std::string>;

// So that a case takes seconds; what follows from the times is the same.
extern const Json quick_policy;

// One instance for most cases, whole and under the quick policy; a new one when a case left it broken.
const Replicated& at_rest();
// The next case gets a new one: this one is gone.
void forget_at_rest();

// The beginning of a case: an instance that is whole, a client that writes to it, and how things were.
struct Scene {
    explicit Scene(const Replicated& db = at_rest(), LedgerOptions options = {});
    // check_end(), and since the beginning there were so many changes of roles, each completed and of one epoch.
    void check_end(int changes);
    // The same for a fault after which a restart in place and a failover are both right.
    void check_end_after_one_at_most();

    const Replicated& db;
    Ledger ledger;
    const std::string primary;
    const std::string standby;
    const int epoch;
    const int failovers;
    const int completed_failovers;
};

// The end of every case: writes go on, nothing acknowledged is missing, no two servers acknowledged at once, all is as
// the record says.
void check_end(const Replicated& db, Ledger& ledger);

// Of the members that answer, those that accept writes.
Strings writable(const Replicated& db);
// value_at(), or empty while that member does not answer.
std::string answer_of(const Replicated& db, const std::string& member, const std::string& query);
std::string setting(const Replicated& db, const std::string& member, const std::string& name);
// synchronous_standby_names as the primary of an instance with one standby has to have it.
std::string names_of(const Replicated& db);
// Deletes it, which leaves nothing.
void remove(const Replicated& db);

// Sent to each of them that is there: a pid of 0 is nobody's.
void signal_all(const std::vector<int>& pids, int number);

// Stopped (SIGSTOP) until thawed or destroyed, so that no case leaves them behind.
class Frozen {
  public:
    explicit Frozen(std::vector<int> pids);
    ~Frozen();
    Frozen(const Frozen&) = delete;
    Frozen& operator=(const Frozen&) = delete;
    void thaw();

  private:
    std::vector<int> pids_;
};

}  // namespace toygres::test
