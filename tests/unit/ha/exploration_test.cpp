// All that can happen to an instance of two or three members, explored: the control plane may crash between any two
// steps, a member may die or be out of reach at any moment, a message may be as old as it likes. The record is advanced
// by the product's own judge() and advance(); what members do is the agents' rules in short.
#include "ha/model.hpp"
#include "support/catch.hpp"

#include <fmt/format.h>

#include <deque>
#include <set>
#include <unordered_set>

using namespace toygres;
using namespace toygres::ha;

namespace {

// Beyond these nothing new happens.
struct Bounds {
    int epochs;
    std::int64_t revisions;
    std::size_t commits;
};

// A member. Its log is a string of commits, one letter each; what another has beyond a common beginning is divergence.
struct Member {
    Topology obeyed;  // noted on its volume: never goes back
    Role role = Role::none;
    bool has_data = false;
    bool clean = false;
    bool streams = false;  // from the primary of its topology, under its own epoch's name
    std::string log;
    std::int64_t reign = 0;  // epoch in which it was started read-write or promoted
    bool told = false;       // its pod is told to stop
};

struct World {
    Record record;
    Topology cluster;             // the ConfigMap
    std::optional<Event> judged;  // an event on its way into the record…
    Reign judged_at;              // …and what was on record when it was judged
    std::map<std::string, Member> members;
    std::string acknowledged;  // commits that a client was told of
    std::string waiting;       // one that is written and not acknowledged, by "<member>"
    std::size_t written = 0;   // commits so far, acknowledged or not
    bool asked = false;        // an operator asked for a switchover
    int tellings = 0;          // how many more pods may be told to stop

    // All that tells two worlds apart. What the topology says follows from the record that it was made of.
    std::string key() const {
        auto out = fmt::format("{}{}.{}{}{}{}{}{}{}|{}.{}|{}|{}|{}", static_cast<int>(record.state), record.epoch,
                               record.revision, record.primary, fmt::join(record.armed, ""), record.failover_safe,
                               record.arming_lsn, record.old_primary, fmt::join(record.fenced, ""), cluster.epoch,
                               cluster.revision, acknowledged, waiting,
                               (written * 4 + static_cast<std::size_t>(tellings)) * 2 + asked);
        if (judged)
            out += fmt::format("?{}{}{}@{}.{}", static_cast<int>(judged->kind), judged->member, judged->lsn,
                               judged_at.epoch, judged_at.revision);
        for (const auto& [member, standby] : record.standbys.value_or(std::map<std::string, Standby>()))
            out += fmt::format("+{}{}", member, static_cast<int>(standby.standing));
        for (const auto& [name, m] : members)
            out += fmt::format("/{}.{}:{}{}{}{}{}{}:{}", m.obeyed.epoch, m.obeyed.revision, static_cast<int>(m.role),
                               m.has_data, m.clean, m.streams, m.told, m.log, m.reign);
        return out;
    }
};

const Timestamp hour_one{std::chrono::hours(1)};

std::string position(const std::string& log) { return to_string(Lsn{log.size() + 1}); }

// As a server of that member has it; empty for one that the topology does not know.
std::string names_of(const Topology& t, const std::string& name) {
    const auto it = t.members.find(name);
    return it == t.members.end() ? std::string() : it->second.synchronous_standby_names.value_or("");
}

bool is_fenced(const Topology& t, const std::string& name) {
    const auto it = t.members.find(name);
    return it == t.members.end() || it->second.fenced.value_or(false);
}

// What the agent of `name` would report.
AgentStatus status_of(const World& w, const std::string& name) {
    const auto& m = w.members.at(name);
    AgentStatus s{};
    s.member = name;
    s.state = m.role == Role::none ? AgentState::waiting : AgentState::running;
    s.ready = m.role != Role::none && m.role == role_of(m.obeyed, name);
    s.role = m.role;
    s.epoch = m.obeyed.epoch;
    s.revision = m.obeyed.revision;
    if (m.told) s.stop_requested = true;
    if (m.role == Role::primary) {
        s.flush_lsn = position(m.log);
        s.synchronous_standby_names = names_of(m.obeyed, name);
        s.peers.emplace();
        for (const auto& [other, peer] : w.members)
            if (peer.streams && peer.obeyed.primary == name)
                s.peers->push_back({stream_name(other, peer.obeyed.epoch), "streaming",
                                    s.synchronous_standby_names->empty() ? "async" : "quorum", position(peer.log),
                                    std::nullopt, std::nullopt});
    } else if (m.role == Role::replica) {
        s.receive_lsn = position(m.log);
        if (m.streams) s.receiver = ReceiverStatus{"streaming", m.obeyed.primary, 0};
    } else if (m.has_data) {
        s.clean_shutdown = m.clean;
        s.flush_lsn = to_string(Lsn{m.log.size()});  // of the shutdown checkpoint, which comes after all commits
    }
    return s;
}

class Explorer {
  public:
    Explorer(Bounds bounds, std::vector<Request> requests) : bounds_(bounds), requests_(std::move(requests)) {}
    std::vector<std::string> violations;
    std::set<State> reached;
    std::set<EventKind> happened;
    std::size_t explored = 0;
    int promotions = 0;

    void run(World start) {
        add(std::move(start));
        while (!queue_.empty() && violations.size() < 5) {
            const auto now = std::move(queue_.front());
            queue_.pop_front();
            ++explored;
            reached.insert(now.record.state);
            check(now);
            control_plane(now);
            for (const auto& [name, member] : now.members) acts(now, name);
        }
    }

  private:
    void add(World w) {
        if (seen_.insert(w.key()).second) queue_.push_back(std::move(w));
    }
    void violate(const World& w, const std::string& what) { violations.push_back(what + "\n" + w.key()); }

    void check(const World& w) {
        const auto& r = w.record;
        if (!r.failover_safe) return;
        // I2: the live primary of the record's reign waits for the armed.
        for (const auto& [name, m] : w.members)
            if (m.role == Role::primary && m.obeyed.epoch == r.epoch && name == r.primary &&
                names_of(m.obeyed, name) != synchronous_names(r.armed, r.epoch) && !waits_for_more(r, m, name))
                violate(w, "failover_safe, but the live primary does not wait for the armed");
    }

    // A standby more is on record than the primary has heard of: whoever fails over asks it as well.
    static bool waits_for_more(const Record& r, const Member& m, const std::string& name) {
        const auto names = names_of(m.obeyed, name);
        const auto named = [&](const std::string& armed) { return names.contains(stream_name(armed, r.epoch)); };
        return !names.empty() && std::ranges::any_of(r.armed, named) && m.obeyed.revision < r.revision;
    }

    void control_plane(const World& w) {
        // The topology follows the record; an older one never replaces a newer.
        if (reign_of(w.cluster) < Reign{w.record.epoch, w.record.revision}) {
            auto next = w;
            next.cluster = topology_of(w.record);
            add(next);
        }
        if (w.judged) {
            auto crashed = w;
            crashed.judged.reset();
            add(crashed);
            auto next = w;
            next.judged.reset();
            if (Reign{w.record.epoch, w.record.revision} == w.judged_at) {  // the guard in SQL
                if (const auto record = advance(w.record, *w.judged, Timestamp{})) next.record = *record;
                if (next.record.epoch <= bounds_.epochs && next.record.revision <= bounds_.revisions) {
                    if (next.record != w.record) happened.insert(w.judged->kind);
                    add(next);
                }
            }
            return;
        }
        // A look, with any subset of the members in reach, after a short or a long silence.
        std::map<std::string, AgentStatus> statuses;
        for (const auto& [name, m] : w.members) statuses.emplace(name, status_of(w, name));
        std::vector<Event> found;
        const auto take = [&](const Event& event, bool asks) {
            if (std::ranges::find(found, event) != found.end()) return;
            found.push_back(event);
            auto next = w;
            next.asked = w.asked || asks;
            next.judged = event;
            next.judged_at = {w.record.epoch, w.record.revision};
            add(std::move(next));
        };
        for (unsigned reach = 0; reach < (1U << statuses.size()); ++reach)
            for (const bool patient : {false, true}) {
                Observation seen;
                unsigned bit = 0;
                for (const auto& [name, status] : statuses) {
                    auto& view = seen[name];
                    if ((reach >> bit++) & 1U) view.status = status;
                    const bool serves = view.status && view.status->ready;
                    if (!serves && patient) view.silent_ms = view.down_ms = 3'600'000;
                    view.gone = !view.status && patient && status.role == Role::none;
                    const bool replicated = view.status && view.status->peers && !view.status->peers->empty();
                    if (!replicated && patient) view.unreplicated_ms = 3'600'000;
                    if (patient && !w.members.at(name).streams) view.astray_ms = 3'600'000;
                    view.erased = !w.record.members.empty() && !on_record(w, name);
                }
                if (const auto event = judge(w.record, seen, Policy{.cooldown_ms = 0}, hour_one)) take(*event, false);
                if (w.record.state == State::synced && !w.asked)
                    for (const auto& request : requests_)
                        if (const auto wanted = event_for(request, w.record, seen)) take(*wanted, true);
            }
    }

    static bool on_record(const World& w, const std::string& name) {
        return std::ranges::find(w.record.members, name) != w.record.members.end();
    }

    void acts(const World& w, const std::string& name) {
        const auto& m = w.members.at(name);
        // Takes note of the topology; an older one than it has obeyed is nothing to it.
        if (reign_of(w.cluster) > reign_of(m.obeyed)) {
            auto next = w;
            obey(next, name, w.cluster);
            add(next);
        }
        // Dies without a word.
        if (m.role != Role::none) {
            auto next = w;
            next.members[name].role = Role::none;
            next.members[name].streams = false;
            next.members[name].clean = false;
            if (next.waiting.starts_with(name)) next.waiting.clear();
            cut_streams(next, name);
            add(next);
        }
        tells(w, name);
        // Starts again, obeying what its volume has noted (it may not reach the cluster).
        if (m.role == Role::none && m.obeyed.epoch > 0) {
            auto next = w;
            start(next, name);
            add(next);
        }
        if (m.role == Role::replica) replicates(w, name);
        if (m.role == Role::primary) serves(w, name);
    }

    // Its pod is told to stop: a primary serves on for as long as it likes, and stops in good order.
    void tells(const World& w, const std::string& name) {
        const auto& m = w.members.at(name);
        if (w.tellings > 0 && m.role == Role::primary && !m.told) {
            auto next = w;
            --next.tellings;
            next.members[name].told = true;
            add(next);
        }
        if (m.told && m.role == Role::primary) {
            auto next = w;
            stop(next, name, true);
            add(next);
        }
    }

    static void cut_streams(World& w, const std::string& primary) {
        for (auto& [other, peer] : w.members)
            if (peer.obeyed.primary == primary) peer.streams = false;
    }

    void stop(World& w, const std::string& name, bool clean) {
        auto& m = w.members[name];
        if (m.role == Role::primary) {
            if (w.waiting.starts_with(name)) w.waiting.clear();
            cut_streams(w, name);
        }
        m.role = Role::none;
        m.streams = false;
        m.clean = clean;
    }

    void obey(World& w, const std::string& name, const Topology& t) {
        auto& m = w.members[name];
        const bool other_upstream = m.obeyed.primary != t.primary || m.obeyed.epoch != t.epoch;
        m.obeyed = t;
        if (other_upstream) m.streams = false;
        const auto fenced = is_fenced(t, name);
        if (m.role == Role::primary && (fenced || t.primary != name)) {
            stop(w, name, true);
        } else if (m.role == Role::replica) {
            if (fenced)
                stop(w, name, true);
            else if (t.primary == name)
                promote(w, name);
        } else {
            start(w, name);
        }
    }

    void start(World& w, const std::string& name) {
        auto& m = w.members[name];
        const auto& t = m.obeyed;
        m.told = false;  // it is another pod
        if (is_fenced(t, name)) return;
        if (t.primary == name) {
            if (!m.has_data && (t.initialized.value_or(false) || t.epoch > 1)) return;
            if (m.has_data && m.reign != t.epoch && m.reign != 0 && t.epoch > m.reign) return promote(w, name);
            if (m.has_data && m.reign == 0) return promote(w, name);
            m.has_data = true;
            m.role = Role::primary;
            m.reign = t.epoch;
            m.clean = false;
            return;
        }
        if (t.primary.empty()) {
            if (m.has_data && m.reign == 0) m.role = Role::replica;  // an ex-primary waits to be compared
            return;
        }
        // Clone or rewind: needs the primary, and takes over what it has.
        const auto& source = w.members[t.primary];
        if (m.has_data && m.reign == 0 && source.role != Role::primary) {
            m.role = Role::replica;
            return;
        }
        if (source.role != Role::primary) return;
        if (!m.has_data || !source.log.starts_with(m.log)) m.log = source.log;
        m.has_data = true;
        m.reign = 0;
        m.role = Role::replica;
    }

    void promote(World& w, const std::string& name) {
        auto& m = w.members[name];
        ++promotions;
        for (const char commit : w.acknowledged)
            if (!m.log.contains(commit)) violate(w, fmt::format("{} is promoted without {}", name, commit));
        m.role = Role::primary;
        m.reign = m.obeyed.epoch;
        m.streams = false;
        m.clean = false;
    }

    void replicates(const World& w, const std::string& name) {
        const auto& m = w.members.at(name);
        if (m.obeyed.primary.empty() || m.obeyed.primary == name) return;
        const auto& source = w.members.at(m.obeyed.primary);
        if (source.role != Role::primary || !source.log.starts_with(m.log)) return;
        if (!m.streams || m.log != source.log) {
            auto next = w;
            next.members[name].streams = true;
            if (m.streams) next.members[name].log = source.log;
            add(next);
        }
    }

    void serves(const World& w, const std::string& name) {
        const auto& m = w.members.at(name);
        if (w.waiting.empty() && w.written < bounds_.commits) {
            auto next = w;
            const char commit = static_cast<char>('A' + next.written++);
            next.members[name].log += commit;
            next.waiting = name + commit;
            add(next);
        }
        if (!w.waiting.starts_with(name)) return;
        const char commit = w.waiting.back();
        const auto names = names_of(m.obeyed, name);
        bool acknowledged = names.empty();
        for (const auto& [other, peer] : w.members)
            if (peer.streams && peer.obeyed.primary == name && peer.log.contains(commit) &&
                names.contains('"' + stream_name(other, peer.obeyed.epoch) + '"'))
                acknowledged = true;
        if (!acknowledged) return;
        auto next = w;
        next.waiting.clear();
        next.acknowledged += commit;
        for (const auto& [other, peer] : w.members)
            if (other != name && peer.role == Role::primary && peer.reign > m.reign && !peer.log.contains(commit))
                violate(w, fmt::format("{} of epoch {} acknowledges after {} was promoted", name, m.reign, other));
        add(next);
    }

    Bounds bounds_;
    std::vector<Request> requests_;  // one of which an operator makes once, while the instance is synced
    std::deque<World> queue_;
    std::unordered_set<std::string> seen_;
};

// Nothing has been made yet.
World at_creation() {
    World w;
    w.record = Record{.state = State::creating, .primary = "a", .members = {"a", "b"}};
    w.cluster = topology_of(w.record);
    w.members["a"];
    w.members["b"];
    return w;
}

// "a" is the primary, "b" a standby that holds everything.
World at_synced() {
    World w;
    w.record = Record{.state = State::synced,
                      .revision = 3,
                      .primary = "a",
                      .members = {"a", "b"},
                      .armed = {"b"},
                      .failover_safe = true,
                      .arming_lsn = "0/1",
                      .initialized = true};
    w.cluster = topology_of(w.record);
    w.members["a"] = {.obeyed = w.cluster, .role = Role::primary, .has_data = true, .reign = 1};
    w.members["b"] = {.obeyed = w.cluster, .role = Role::replica, .has_data = true, .streams = true};
    return w;
}

// "b" was just promoted; "a" died with a commit that nobody acknowledged, and has not heard of any of it.
World at_promotion() {
    auto w = at_synced();
    w.members["a"].role = Role::none;
    w.members["a"].log = "x";
    w.record.state = State::failing_over;
    w.record.epoch = 2;
    w.record.revision = 5;
    w.record.primary = "b";
    w.record.old_primary = "a";
    w.record.fenced = {"a"};
    w.record.armed.clear();
    w.record.failover_safe = false;
    w.cluster = topology_of(w.record);
    w.members["b"] = {.obeyed = w.cluster, .role = Role::primary, .has_data = true, .reign = 2};
    return w;
}

// Three members: "a" is the primary, "b" and "c" hold everything.
World at_synced_of_three() {
    auto w = at_synced();
    w.record.members.emplace_back("c");
    w.record.armed.emplace_back("c");
    w.cluster = topology_of(w.record);
    w.members["c"] = w.members["b"];
    for (auto& [name, member] : w.members) member.obeyed = w.cluster;
    return w;
}

World told(World w, int tellings) {
    w.tellings = tellings;
    return w;
}

struct Explored {
    std::set<State> states;
    std::set<EventKind> events;
    bool contains(State state) const { return states.contains(state); }
    bool contains(EventKind event) const { return events.contains(event); }
};

Explored explore(World start, Bounds bounds, std::vector<Request> requests = {{.kind = "switchover"}}) {
    Explorer explorer(bounds, std::move(requests));
    explorer.run(std::move(start));
    for (const auto& violation : explorer.violations) UNSCOPED_INFO(violation);
    INFO(explorer.explored << " worlds, " << explorer.promotions << " promotions");
    CHECK(explorer.violations.empty());
    return {explorer.reached, explorer.happened};
}

}  // namespace

TEST_CASE("exploration: from creation to synced, whatever dies") {
    const auto reached = explore(at_creation(), {.epochs = 2, .revisions = 7, .commits = 2});
    for (const auto state : {State::joining, State::catching_up, State::arming, State::synced})
        CHECK(reached.contains(state));
}

TEST_CASE("exploration: from synced, whatever dies, no acknowledged commit is missing from who is promoted") {
    const auto reached = explore(at_synced(), {.epochs = 3, .revisions = 8, .commits = 2});
    for (const auto state : {State::degrading, State::degraded, State::switching, State::failing_over})
        CHECK(reached.contains(state));
    CHECK(reached.contains(EventKind::positions_frozen));
    CHECK(reached.contains(EventKind::old_primary_back));
}

TEST_CASE("exploration: a failover goes back to the old primary, and whatever dies then: nothing is missing") {
    auto failing = at_synced();
    failing.record = advance(failing.record, {.kind = EventKind::primary_down}, Timestamp{}).value();
    const auto reached = explore(failing, {.epochs = 3, .revisions = 8, .commits = 3}, {});
    CHECK(reached.contains(EventKind::old_primary_back));
    for (const auto state : {State::synced, State::degraded, State::rejoining}) CHECK(reached.contains(state));
}

TEST_CASE("exploration: after a promotion, whatever dies, until it is synced again") {
    const auto reached = explore(at_promotion(), {.epochs = 3, .revisions = 10, .commits = 2});
    for (const auto state : {State::rejoining, State::catching_up, State::arming, State::synced})
        CHECK(reached.contains(state));
}

TEST_CASE("exploration: the primary is told to stop while whatever dies: who takes over lacks nothing") {
    const auto reached = explore(told(at_synced(), 1), {.epochs = 3, .revisions = 8, .commits = 2}, {});
    for (const auto state : {State::switching, State::failing_over, State::rejoining}) CHECK(reached.contains(state));
}

TEST_CASE("exploration: the primary is told to stop, and its heir soon after") {
    const auto reached = explore(told(at_synced(), 2), {.epochs = 3, .revisions = 9, .commits = 1}, {});
    for (const auto state : {State::switching, State::arming, State::synced}) CHECK(reached.contains(state));
}

TEST_CASE("exploration: the primary of three members is told to stop while whatever dies") {
    const auto reached = explore(told(at_synced_of_three(), 1), {.epochs = 2, .revisions = 5, .commits = 1}, {});
    for (const auto state : {State::switching, State::failing_over}) CHECK(reached.contains(state));
}

TEST_CASE("exploration: the standby is removed while whatever dies") {
    const auto reached =
        explore(at_synced(), {.epochs = 2, .revisions = 7, .commits = 2}, {{.kind = "remove", .target = "b"}});
    for (const auto state : {State::degrading, State::degraded, State::single, State::failing_over})
        CHECK(reached.contains(state));
}

TEST_CASE("exploration: three members, whatever dies: who is promoted lacks nothing of what either acknowledged") {
    const auto reached = explore(at_synced_of_three(), {.epochs = 2, .revisions = 6, .commits = 1}, {});
    for (const auto state : {State::arming, State::failing_over, State::rejoining}) CHECK(reached.contains(state));
}

TEST_CASE("exploration: a failover of three members goes back to the old primary while whatever dies") {
    auto failing = at_synced_of_three();
    failing.record = advance(failing.record, {.kind = EventKind::primary_down}, Timestamp{}).value();
    const auto reached = explore(failing, {.epochs = 3, .revisions = 7, .commits = 1}, {});
    for (const auto event : {EventKind::old_primary_back, EventKind::positions_frozen, EventKind::primary_down,
                             EventKind::standby_lost, EventKind::promoted})
        CHECK(reached.contains(event));
}

TEST_CASE("exploration: one of three is removed while whatever dies") {
    const auto reached =
        explore(at_synced_of_three(), {.epochs = 2, .revisions = 5, .commits = 1}, {{.kind = "remove", .target = "b"}});
    for (const auto state : {State::arming, State::synced, State::failing_over}) CHECK(reached.contains(state));
}
