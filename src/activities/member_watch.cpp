#include "activities/member_watch.hpp"

#include "base/crash_point.hpp"
#include "base/log.hpp"
#include "kube/inspect.hpp"
#include "kube/manifests.hpp"

#include <boost/asio/experimental/parallel_group.hpp>

#include <algorithm>

namespace toygres::activities {
namespace {

using namespace std::chrono_literals;

constexpr auto answer_timeout = 2s;
constexpr auto fenced_answer_timeout = 200ms;  // of a primary that is being replaced: others are waited for…
constexpr auto choice_age_max = 3s;            // …so long; if nobody could be chosen by then, it may be its turn again
constexpr auto second_answer_timeout = 500ms;  // of a standby that did not answer last time: it delays the others
constexpr auto primary_second_timeout = 1s;    // of a primary that did not: its silence is being measured
constexpr auto pods_age_max = 5s;              // while all agents answer
constexpr auto pods_age_trouble = 250ms;       // while one does not
constexpr auto look_gap_max = 15s;             // between two looks of a monitor that runs here
constexpr auto told_age_max = 1'500ms;         // agents tell something every second
constexpr auto answer_age_after_told = 20ms;
constexpr auto login_age_max = 15s;   // of what an agent found
constexpr auto policy_age_max = 60s;  // of the monitor's last reading

std::int64_t ms_since(std::chrono::steady_clock::time_point then) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - then).count();
}

bool serves(const ha::AgentStatus& status) { return status.ready && status.state == ha::AgentState::running; }
bool serves(const ha::MemberView& view) { return view.status && serves(*view.status); }

}  // namespace

MemberWatch::MemberWatch(kube::Client& kube, kube::Agents& agents, kube::Pods& pods, InstanceRef instance)
    : kube_(kube),
      agents_(agents),
      pods_(pods),
      instance_(std::move(instance)),
      troubles_(kube, instance_),
      wake_(std::make_shared<Wake>(kube.executor())) {}

std::int64_t MemberWatch::note_kubernetes(bool serves, Clock::time_point began) {
    if (serves) {
        kubernetes_failed_at_.reset();
        return 0;
    }
    if (!kubernetes_failed_at_) kubernetes_failed_at_ = began;
    return ms_since(*kubernetes_failed_at_);
}

void MemberWatch::note_pod(Member& member, const kube::PodFacts* pod) {
    member.running = pod != nullptr && pod->running;
    member.pod_uid = pod != nullptr ? pod->uid : "";
    member.address = pod != nullptr ? pod->address : "";
    member.label = pod != nullptr ? pod->role : "";
}

// By its name: a list by label makes the API go through the pods of the whole fleet.
asio::awaitable<void> MemberWatch::read_pod(Member& member) {
    const auto pod =
        co_await kube_.get(kube::resource("Pod", instance_.ns, kube::member_pod(instance_.k8s_name, member.ordinal)));
    if (!pod && pod.error().kind != ErrorKind::not_found) co_return;
    const auto facts = pod ? std::optional(kube::facts_of(*pod)) : std::nullopt;
    note_pod(member, facts ? &*facts : nullptr);
}

asio::awaitable<void> MemberWatch::read_pods() {
    if (members_.empty()) co_return;
    const auto executor = co_await asio::this_coro::executor;
    using Reading = decltype(asio::co_spawn(executor, read_pod(members_.begin()->second), asio::deferred));
    std::vector<Reading> reading;
    for (auto& [name, member] : members_) reading.push_back(asio::co_spawn(executor, read_pod(member), asio::deferred));
    co_await asio::experimental::make_parallel_group(std::move(reading))
        .async_wait(asio::experimental::wait_for_all(), asio::use_awaitable);
    pods_read_at_ = Clock::now();
}

// While all is well what was told of the pods will do; where an agent does not answer, or a label was just set, the API
// is asked.
asio::awaitable<void> MemberWatch::refresh_pods() {
    const auto told = at_rest_ ? pods_.told(instance_.ns, instance_.k8s_name) : std::nullopt;
    if (!told) co_return co_await read_pods();
    pods_read_at_ = Clock::now();
    for (auto& [name, member] : members_) {
        const auto pod = std::ranges::find(*told, name, &kube::PodFacts::member);
        note_pod(member, pod == told->end() ? nullptr : &*pod);
    }
}

asio::awaitable<void> MemberWatch::ask(const std::string& name, std::chrono::milliseconds max_age,
                                       std::chrono::milliseconds timeout, ha::MemberView& into) {
    auto& member = members_[name];
    if (!member.address.empty()) {
        auto status = co_await agents_.status({instance_.k8s_name, instance_.ns, member.ordinal, member.address},
                                              max_age, timeout);
        if (status) {
            into.status = *std::move(status);
            member.answered_at = Clock::now();
        }
    }
    member.answered = into.status.has_value();
    if (serves(into)) member.served_at = Clock::now();
}

// While all is well: one that is not heard, or tells that it does not serve, has all of them asked.
bool MemberWatch::take_told(ha::Observation& seen) {
    const auto look_now = [wake = wake_] {
        wake->called = true;
        wake->timer.cancel();
    };
    std::map<std::string, const kube::Agents::Told*> told;
    for (const auto& [name, view] : seen) {
        const auto& member = members_[name];
        if (member.address.empty()) continue;
        const auto* heard = agents_.told({instance_.k8s_name, instance_.ns, member.ordinal, member.address}, look_now);
        if (heard != nullptr && Clock::now() - heard->heard_at < told_age_max && serves(heard->status))
            told[name] = heard;
    }
    if (told.size() < seen.size()) return false;
    first_silent_at_ = Clock::time_point::max();
    for (auto& [name, view] : seen) {
        const auto& [status, heard_at] = *told[name];
        auto& member = members_[name];
        view.status = status;
        member.answered_at = member.served_at = heard_at;
        first_silent_at_ = std::min(first_silent_at_, heard_at + told_age_max);
    }
    return true;
}

std::optional<ha::LoginStatus> MemberWatch::login() const {
    if (!at_rest_ || !login_) return std::nullopt;
    const auto age_ms = ms_since(login_told_at_) + login_->age_ms;
    return age_ms > std::chrono::milliseconds(login_age_max).count() ? std::nullopt : login_;
}

std::optional<std::string> MemberWatch::custom_check() const {
    return Clock::now() - policy_read_at_ < policy_age_max ? custom_check_ : std::nullopt;
}

void MemberWatch::note_policy(const ha::Policy& policy) {
    custom_check_ = policy.custom_check.value_or("");
    policy_read_at_ = Clock::now();
}

asio::awaitable<void> MemberWatch::rest(std::chrono::milliseconds pause) {
    if (std::exchange(wake_->called, false)) co_return;
    const auto until = Clock::now() + pause;
    wake_->timer.expires_at(was_told_ ? std::min(until, first_silent_at_) : until);
    co_await wake_->timer.async_wait(use);
    wake_->called = false;
}

// Which standbys get on with what the primary writes; true: one that commits wait for does. One whose connection stands
// but whose server is stopped does not: it neither has what was written at the last look nor more than it had then.
bool MemberWatch::note_followers(const ha::Record& record, const ha::AgentStatus& primary, Clock::time_point at) {
    const auto written = ha::parse_lsn(primary.flush_lsn.value_or("")).value_or(ha::Lsn{});
    bool out = false;
    for (const auto& name : record.members) {
        const auto stream = std::ranges::find_if(*primary.peers, [&](const ha::PeerStatus& peer) {
            return peer.state == "streaming" && peer.application_name == ha::stream_name(name, record.epoch);
        });
        if (stream == primary.peers->end()) continue;
        auto& member = members_[name];
        const auto now = ha::parse_lsn(stream->flush_lsn.value_or("")).value_or(ha::Lsn{});
        if (now >= written_ || now > member.flushed) {
            member.followed_at = at;
            out = out || std::ranges::find(record.armed, name) != record.armed.end();
        }
        member.flushed = now;
    }
    written_ = written;
    return out;
}

// What the primary says of those that commits wait for; while it says nothing, nothing is held against them. Whoever
// counts time does it from when it said so, and what it said before says nothing new. true: all get on.
bool MemberWatch::note_replication(const ha::Record& record, ha::Observation& seen) {
    const auto primary = seen.find(record.primary);
    if (primary == seen.end()) return true;
    auto& view = primary->second;
    const auto at = was_told_ ? members_[record.primary].answered_at : Clock::now();
    // All got on then, or it would have been asked.
    if (was_told_ && at <= primary_spoke_at_) return true;
    primary_spoke_at_ = at;
    const bool tells = serves(view) && view.status->peers;
    const bool acknowledged = !tells || note_followers(record, *view.status, at);
    if (acknowledged) replicated_at_ = at;
    view.unreplicated_ms = acknowledged ? 0 : ms_since(replicated_at_);
    bool all = acknowledged;
    for (const auto& name : record.members) {
        auto& member = members_[name];
        if (!tells) member.followed_at = at;
        const bool follows = member.followed_at >= at;
        all = all && (follows || name == record.primary);
        if (seen.contains(name)) seen[name].astray_ms = follows ? 0 : ms_since(member.followed_at);
    }
    return all;
}

// Another server watched meanwhile, or nobody did: what was seen before says nothing of how long anything has lasted.
void MemberWatch::begin_look() {
    const auto now = Clock::now();
    if (now - std::exchange(looked_at_, now) < look_gap_max) return;
    replicated_at_ = now;
    for (auto& [name, member] : members_) member.answered_at = member.served_at = member.followed_at = now;
}

// What it did before it became the primary says nothing of how long it has been down as one.
void MemberWatch::note_primary(const ha::Record& record) {
    if (primary_ == record.primary) return;
    primary_ = record.primary;
    primary_since_ = Clock::now();
    if (const auto member = members_.find(record.primary); member != members_.end())
        member->second.served_at = primary_since_;
}

asio::awaitable<void> MemberWatch::ask_all(const ha::Record& record, std::chrono::milliseconds max_age,
                                           ha::Observation& seen) {
    const auto executor = co_await asio::this_coro::executor;
    using Asked =
        decltype(asio::co_spawn(executor, ask("", max_age, answer_timeout, seen.begin()->second), asio::deferred));
    std::vector<Asked> asked;
    for (auto& [name, view] : seen) {
        std::chrono::milliseconds timeout = answer_timeout;
        if (record.primary.empty() && name == record.old_primary && Clock::now() - primary_since_ < choice_age_max)
            timeout = fenced_answer_timeout;
        else if (!members_[name].answered)
            timeout = name == record.primary ? primary_second_timeout : second_answer_timeout;
        asked.push_back(asio::co_spawn(executor, ask(name, max_age, timeout, view), asio::deferred));
    }
    co_await asio::experimental::make_parallel_group(std::move(asked))
        .async_wait(asio::experimental::wait_for_all(), asio::use_awaitable);

    const bool trouble = std::ranges::any_of(seen, [](const auto& m) { return !m.second.status; });
    if (trouble && ms_since(pods_read_at_) > std::chrono::milliseconds(pods_age_trouble).count()) {
        co_await read_pods();
    }
}

asio::awaitable<ha::Observation> MemberWatch::look(const ha::Record& record, std::chrono::milliseconds max_age,
                                                   bool may_be_told) {
    begin_look();
    for (const auto& name : record.members) members_[name].ordinal = ha::number_of(name);
    std::erase_if(members_,
                  [&](const auto& m) { return std::ranges::find(record.members, m.first) == record.members.end(); });
    if (ms_since(pods_read_at_) > std::chrono::milliseconds(pods_age_max).count()) co_await refresh_pods();

    note_primary(record);

    ha::Observation seen;
    for (const auto& name : record.members) seen[name];
    // An answer must not be older than what was told before.
    if (was_told_) max_age = std::min<std::chrono::milliseconds>(max_age, answer_age_after_told);
    // One that is alone is looked at once each interval: to ask is less than to listen.
    was_told_ = may_be_told && at_rest_ && seen.size() > 1 && take_told(seen);
    if (!was_told_) co_await ask_all(record, max_age, seen);
    for (auto& [name, view] : seen) {
        const auto& member = members_[name];
        view.silent_ms = view.status ? 0 : ms_since(member.answered_at);
        view.down_ms = serves(view) ? 0 : ms_since(member.served_at);
        view.gone = !view.status && !member.running;
    }
    const bool all_follow = note_replication(record, seen);
    if (const auto primary = seen.find(record.primary); primary != seen.end() && primary->second.status) {
        login_ = primary->second.status->login;
        login_told_at_ = members_[record.primary].answered_at;
    }
    at_rest_ = all_follow && std::ranges::all_of(seen, [](const auto& m) { return serves(m.second); });
    co_return seen;
}

asio::awaitable<void> MemberWatch::keep_labels(const ha::Record& record, const ha::Observation& seen) {
    const auto wanted = [&](const std::string& name) {
        const auto& view = seen.at(name);
        if (std::ranges::find(record.fenced, name) != record.fenced.end()) return ha::Role::none;
        if (!view.status) {
            // A primary out of our sight keeps its traffic: it may serve well. Another member's name is another matter.
            return name == record.primary && members_[name].label == "primary" ? ha::Role::primary : ha::Role::none;
        }
        const auto& status = *view.status;
        const bool obeys = status.epoch == record.epoch;
        if (name == record.primary)
            return serves(view) && status.role == ha::Role::primary && obeys ? ha::Role::primary : ha::Role::none;
        return serves(view) && status.role == ha::Role::replica ? ha::Role::replica : ha::Role::none;
    };
    // Labels go before they come: two pods never stand behind the Service at once.
    std::vector<std::pair<std::string, ha::Role>> changes;
    for (const auto& [name, member] : members_) {
        if (member.pod_uid.empty() || !seen.contains(name)) continue;
        const auto role = wanted(name);
        const auto text = role == ha::Role::none ? std::string() : enum_name(role);
        if (text != member.label) changes.emplace_back(name, role);
    }
    std::ranges::sort(changes, {}, [](const auto& change) { return change.second == ha::Role::primary; });
    for (const auto& [name, role] : changes) {
        auto& member = members_[name];
        at_rest_ = false;
        auto patched = co_await kube_.patch(
            kube::resource("Pod", instance_.ns, kube::member_pod(instance_.k8s_name, member.ordinal)),
            kube::PatchType::merge, kube::role_label_patch(role));
        crash_point("effect.label");
        if (!patched) {
            log::warning("label.failed", {{"pod", name}, {"message", patched.error().message}});
            pods_read_at_ = {};
            co_return;
        }
        member.label = role == ha::Role::none ? std::string() : enum_name(role);
    }
}

}  // namespace toygres::activities
