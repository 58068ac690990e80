// A replicated instance of a stack, from all sides: what is on record of it, what Kubernetes has of it, its processes
// on this machine, its servers by SQL.
#pragma once
#include "kube/client.hpp"
#include "stack.hpp"

#include <functional>
#include <string>
#include <vector>

namespace toygres::test {

class Replicated {
  public:
    // Creates it and waits until that is done; fails the test otherwise. Without a pause between automatic failovers.
    Replicated(Stack& stack, const std::string& name, Json more = {{"replication", true}});
    // One that runs already.
    struct Running {};
    Replicated(Stack& stack, std::string name, Running);

    Stack& stack() const { return stack_; }
    const std::string& name() const { return name_; }
    const std::string& k8s_name() const { return k8s_name_; }
    std::string monitor() const { return "health-" + k8s_name_; }

    // On record.
    Json record() const;
    std::string state() const;
    std::string primary() const;  // empty while it is being chosen
    std::string standby() const;  // the first member that is not the primary
    int epoch() const;
    std::string blocked() const;
    std::string health() const;
    // The newest change of roles: {"kind", "status", "old_primary", "new_primary", "epoch", "data_loss_bytes"}; null.
    Json last_failover() const;
    int failovers() const;
    // Without hand-overs and failovers that were given up.
    int completed_failovers() const;
    int open_failovers() const;
    bool becomes(const std::string& state, int seconds = patience_s) const;
    // Synced, with all members, each labelled as what it is; all standbys stream synchronously in this epoch.
    bool is_whole() const;
    bool becomes_whole(int seconds = patience_s) const;
    // In effect at once: {"silence_ms": 1000}.
    void set_policy(const Json& changes) const;
    void wake() const;

    // POST …/<kind>, or PATCH …/replication; the operation when it has ended.
    Json ask(const std::string& kind, const Json& body = Json::object()) const;
    // Refused with that code and a reason, and the record is as it was.
    void check_refused(const std::string& kind, const Json& body, const std::string& code) const;

    // In Kubernetes.
    std::vector<std::string> members_labelled(const std::string& role) const;
    std::vector<std::string> addresses_behind(const std::string& service) const;
    std::string address(const std::string& member) const;
    void delete_pod(const std::string& member) const;
    // To 0: its pod is told to stop, and stays away.
    void scale(const std::string& member, int replicas) const;
    // Dies without having been told of anything, and stays away until it is scaled to 1.
    void strike_down(const std::string& member) const;
    // As kubectl does it: what it said, and whether it succeeded.
    Ran evict(const std::string& member) const;
    int healthy_by_budget() const;  // members that the instance's disruption budget counts as such
    void delete_stateful_set(const std::string& member) const;
    void delete_claim(const std::string& member) const;  // of its volume
    void delete_topology() const;
    std::string topology() const;
    void set_label(const std::string& member, const std::string& role) const;  // of the pod, by somebody else's hand
    void write_topology(const std::string& text) const;
    std::string secret(const std::string& name, const std::string& key) const;
    std::vector<std::string> objects() const;  // "Kind name", of this instance
    std::vector<std::string> volumes() const;

    // On this machine; 0 and nothing while there is none.
    int agent(const std::string& member) const;
    int postmaster(const std::string& member) const;
    std::vector<int> server_processes(const std::string& member) const;  // the postmaster first
    void signal_server(const std::string& member, int number) const;     // all of them
    // The one whose title says so: "walsender", "walreceiver", "checkpointer".
    int server_process(const std::string& member, const std::string& title) const;
    std::string data_directory(const std::string& member) const;

    // By SQL: the Service's address, and one member's pod.
    std::string conninfo() const;
    std::string conninfo_of(const std::string& member) const;
    std::string value_at(const std::string& member, const std::string& query) const;
    std::string value(const std::string& query) const;  // by the Service

  private:
    std::string of_record(const std::string& expression) const;
    bool is_to_stay(const std::string& member) const;
    Json get(const std::string& kind, const std::string& name) const;
    template <class F> auto with_kube(F&& use) const;

    Stack& stack_;
    std::string name_;
    std::string k8s_name_;
    std::string ca_path_;
    std::string password_;
    std::string host_;
};

}  // namespace toygres::test
