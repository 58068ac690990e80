// What this process sees of the members of one instance, and since when: agents' answers, pods, labels. Kept between
// the looks of the monitor; lost with the process, which then looks longer before it believes that something is down.
#pragma once
#include "activities/instance_ref.hpp"
#include "activities/member_troubles.hpp"
#include "ha/model.hpp"
#include "kube/agents.hpp"
#include "kube/client.hpp"
#include "kube/pods.hpp"

#include <chrono>
#include <map>
#include <optional>
#include <string>

namespace toygres::activities {

class MemberWatch {
  public:
    MemberWatch(kube::Client& kube, kube::Agents& agents, kube::Pods& pods, InstanceRef instance);

    // Asks all agents at once; looks at the pods when one does not answer, and now and then. While all is well what the
    // agents have told will do, if `may_be_told`.
    asio::awaitable<ha::Observation> look(const ha::Record& record, std::chrono::milliseconds max_age,
                                          bool may_be_told);
    // The last look saw what was told: nobody was asked.
    bool was_told() const { return was_told_; }
    // Until the next look, which is due after that time, or as soon as an agent tells of what calls for one or is not
    // heard any more.
    asio::awaitable<void> rest(std::chrono::milliseconds pause);
    // Sends traffic where the record says: labels the pods of members that serve in their role, and takes the label
    // from all others. The primary's label goes first when there is no primary. Failures are tried again at the next
    // look.
    asio::awaitable<void> keep_labels(const ha::Record& record, const ha::Observation& seen);
    MemberTroubles& troubles() { return troubles_; }
    // What the primary's agent finds of log-ins, as of the last look; nullopt while not all is well, for earlier
    // releases of the agent, and when that is too old.
    std::optional<ha::LoginStatus> login() const;
    // The instance's own query, as the monitor read it: empty for none, nullopt when that is not known or too old.
    std::optional<std::string> custom_check() const;
    void note_policy(const ha::Policy& policy);
    // Of a look that began then: whether the Kubernetes API served it. How long it has not by now, in ms.
    std::int64_t note_kubernetes(bool serves, std::chrono::steady_clock::time_point began);

  private:
    using Clock = std::chrono::steady_clock;
    struct Member {
        std::int64_t ordinal = 0;
        std::string address;
        std::string pod_uid;
        std::string label;    // toygres.io/role as the pod has it
        bool running = true;  // until its pod is known not to
        bool answered = true;
        ha::Lsn flushed{};  // as the primary last told
        Clock::time_point followed_at = Clock::now();
        Clock::time_point answered_at = Clock::now();
        Clock::time_point served_at = Clock::now();
    };
    void begin_look();
    void note_primary(const ha::Record& record);
    static void note_pod(Member& member, const kube::PodFacts* pod);
    asio::awaitable<void> read_pod(Member& member);
    asio::awaitable<void> read_pods();
    asio::awaitable<void> refresh_pods();
    bool take_told(ha::Observation& seen);
    asio::awaitable<void> ask_all(const ha::Record& record, std::chrono::milliseconds max_age, ha::Observation& seen);
    bool note_followers(const ha::Record& record, const ha::AgentStatus& primary, Clock::time_point at);
    bool note_replication(const ha::Record& record, ha::Observation& seen);
    asio::awaitable<void> ask(const std::string& name, std::chrono::milliseconds max_age,
                              std::chrono::milliseconds timeout, ha::MemberView& into);

    kube::Client& kube_;
    kube::Agents& agents_;
    kube::Pods& pods_;
    InstanceRef instance_;
    std::map<std::string, Member> members_;
    Clock::time_point looked_at_ = Clock::now();
    std::string primary_;  // as of the last look
    Clock::time_point primary_since_ = Clock::now();
    Clock::time_point replicated_at_ = Clock::now();
    ha::Lsn written_{};  // by the primary, at the last look
    Clock::time_point pods_read_at_{};
    std::optional<Clock::time_point> kubernetes_failed_at_;
    MemberTroubles troubles_;
    // All members served at the last look, standbys got on, and no label has changed since.
    bool at_rest_ = false;
    bool was_told_ = false;
    std::optional<ha::LoginStatus> login_;
    Clock::time_point login_told_at_{};
    std::optional<std::string> custom_check_;
    Clock::time_point policy_read_at_{};
    Clock::time_point primary_spoke_at_{};  // as of the last look
    Clock::time_point first_silent_at_{};   // a member is then, unless it is heard before
    struct Wake {
        explicit Wake(const asio::any_io_executor& executor) : timer(executor) {}
        asio::steady_timer timer;
        bool called = false;
    };
    std::shared_ptr<Wake> wake_;
};

}  // namespace toygres::activities
