#include "chaos_faults.hpp"

#include "scenario.hpp"
#include "small_volumes.hpp"

#include <fmt/format.h>

#include <csignal>
#include <thread>

namespace toygres::test {

using namespace std::chrono_literals;

namespace {

using MemberOf = std::function<std::string(const Replicated&)>;

Mend nothing() {
    return [] {};
}

Mend kill(const std::vector<int>& pids) {
    signal_all(pids, SIGKILL);
    return nothing();
}

Mend freeze(const std::vector<int>& pids) {
    signal_all(pids, SIGSTOP);
    return [pids] { signal_all(pids, SIGCONT); };
}

std::vector<int> all_processes(const Replicated& db, const std::string& member) {
    auto out = db.server_processes(member);
    out.insert(out.begin(), db.agent(member));
    return out;
}

// What goes on beside the trial until it is mended.
Mend meanwhile(std::function<void(const std::stop_token&)> work) {
    auto thread = std::make_shared<std::jthread>(std::move(work));
    return [thread] {
        thread->request_stop();
        thread->join();
    };
}

http::Response post(const Replicated& db, const std::string& what) {
    return db.stack().call("POST", "/api/v1/instances/" + db.name() + "/" + what, Json::object());
}

void faults_of_a_server(std::vector<Fault>& out, const std::string& whose, const MemberOf& member) {
    out.push_back({"kill -9 of the postmaster of the " + whose,
                   [member](const Replicated& db) { return kill({db.postmaster(member(db))}); }});
    out.push_back({"kill -9 of a process of the server of the " + whose, [member](const Replicated& db) {
                       const auto all = db.server_processes(member(db));
                       return kill({all.empty() ? 0 : all.back()});
                   }});
    out.push_back({"the server frozen of the " + whose,
                   [member](const Replicated& db) { return freeze(db.server_processes(member(db))); }, true});
    out.push_back({"the server stalled for half seconds of the " + whose,
                   [member](const Replicated& db) {
                       return meanwhile([pids = db.server_processes(member(db))](const std::stop_token& stop) {
                           while (!stop.stop_requested()) {
                               signal_all(pids, SIGSTOP);
                               std::this_thread::sleep_for(500ms);
                               signal_all(pids, SIGCONT);
                               std::this_thread::sleep_for(250ms);
                           }
                       });
                   },
                   true});
}

void faults_of_a_member(std::vector<Fault>& out, const std::string& whose, const MemberOf& member) {
    out.push_back({"kill -9 of the agent of the " + whose,
                   [member](const Replicated& db) { return kill({db.agent(member(db))}); }});
    out.push_back({"the agent frozen of the " + whose,
                   [member](const Replicated& db) { return freeze({db.agent(member(db))}); }, true});
    out.push_back({"agent and server frozen of the " + whose,
                   [member](const Replicated& db) { return freeze(all_processes(db, member(db))); }, true});
    out.push_back({"the pod deleted of the " + whose, [member](const Replicated& db) {
                       db.delete_pod(member(db));
                       return nothing();
                   }});
    out.push_back({"kept away the pod of the " + whose,
                   [member](const Replicated& db) -> Mend {
                       const auto name = member(db);
                       db.scale(name, 0);
                       return [&db, name] { db.scale(name, 1); };
                   },
                   true});
    out.push_back({"struck down and kept away the pod of the " + whose,
                   [member](const Replicated& db) -> Mend {
                       const auto name = member(db);
                       db.strike_down(name);
                       return [&db, name] { db.scale(name, 1); };
                   },
                   true});
    out.push_back({"the pod evicted of the " + whose, [member](const Replicated& db) {
                       db.evict(member(db));
                       return nothing();
                   }});
    out.push_back({"the StatefulSet deleted of the " + whose, [member](const Replicated& db) {
                       db.delete_stateful_set(member(db));
                       return nothing();
                   }});
}

void faults_of_the_stream(std::vector<Fault>& out) {
    out.push_back({"kill -9 of the walsender",
                   [](const Replicated& db) { return kill({db.server_process(db.primary(), "walsender")}); }});
    out.push_back({"kill -9 of the walreceiver",
                   [](const Replicated& db) { return kill({db.server_process(db.standby(), "walreceiver")}); }});
    out.push_back({"the walsender frozen",
                   [](const Replicated& db) { return freeze({db.server_process(db.primary(), "walsender")}); }, true});
    out.push_back({"the walreceiver frozen",
                   [](const Replicated& db) { return freeze({db.server_process(db.standby(), "walreceiver")}); },
                   true});
    out.push_back({"the replay paused", [](const Replicated& db) {
                       db.value_at(db.standby(), "SELECT pg_wal_replay_pause()");
                       return nothing();
                   }});
}

void faults_of_both(std::vector<Fault>& out) {
    out.push_back({"kill -9 of both postmasters", [](const Replicated& db) {
                       return kill({db.postmaster(db.primary()), db.postmaster(db.standby())});
                   }});
    out.push_back({"both pods deleted", [](const Replicated& db) {
                       const auto [a, b] = std::pair(db.primary(), db.standby());
                       db.delete_pod(a);
                       db.delete_pod(b);
                       return nothing();
                   }});
    out.push_back({"agent and server frozen of both",
                   [](const Replicated& db) {
                       auto all = all_processes(db, db.primary());
                       const auto more = all_processes(db, db.standby());
                       all.insert(all.end(), more.begin(), more.end());
                       return freeze(all);
                   },
                   true});
}

void faults_of_load(std::vector<Fault>& out) {
    out.push_back({"a storm of checkpoints",
                   [](const Replicated& db) {
                       return meanwhile([conninfo = db.conninfo_of(db.primary())](const std::stop_token& stop) {
                           try {
                               pqxx::connection connection(conninfo);
                               while (!stop.stop_requested()) pqxx::nontransaction(connection).exec("CHECKPOINT");
                           } catch (const std::exception&) {
                               return;  // with the server
                           }
                       });
                   },
                   true});
    out.push_back({"all connections taken",
                   [](const Replicated& db) -> Mend {
                       auto all = std::make_shared<std::vector<std::unique_ptr<pqxx::connection>>>();
                       try {
                           while (all->size() < 200)
                               all->push_back(std::make_unique<pqxx::connection>(db.conninfo() + " connect_timeout=2"));
                       } catch (const std::exception&) {
                           return [all] { all->clear(); };
                       }
                       return [all] { all->clear(); };
                   },
                   true});
    out.push_back({"the volumes look full",
                   [](const Replicated& db) -> Mend {
                       db.set_policy({{"disk_reserve_bytes", std::int64_t{1} << 60}});
                       return [&db] { db.set_policy({{"disk_reserve_bytes", 32 << 20}}); };
                   },
                   true});
}

void faults_of_the_control_plane(std::vector<Fault>& out) {
    out.push_back({"kill -9 of the control plane",
                   [](const Replicated& db) -> Mend {
                       const auto pid = db.stack().server_pid();
                       kill({pid});
                       return [&stack = db.stack(), pid] {
                           if (stack.server_pid() == pid) stack.wait_for_death();
                           stack.up();
                       };
                   },
                   true, 1});
    out.push_back(
        {"the control plane frozen", [](const Replicated& db) { return freeze({db.stack().server_pid()}); }, true, 2});
    out.push_back({"the CMS crashes", [](const Replicated& db) {
                       db.stack().restart_cms("immediate");
                       return nothing();
                   }});
    out.push_back({"the CMS is away",
                   [](const Replicated& db) -> Mend {
                       db.stack().stop_cms();
                       return [&stack = db.stack()] { stack.start_cms(); };
                   },
                   true, 2});
    out.push_back({"the Kubernetes API frozen", [](const Replicated& db) { return freeze({db.stack().cluster_pid()}); },
                   true, 2});
}

void faults_by_hand(std::vector<Fault>& out) {
    out.push_back({"the topology deleted", [](const Replicated& db) {
                       db.delete_topology();
                       return nothing();
                   }});
    out.push_back({"an older topology written", [](const Replicated& db) {
                       static std::string older;
                       if (!older.empty()) db.write_topology(older);
                       older = db.topology();
                       return nothing();
                   }});
    for (const auto* what : {"switchover", "resync"})
        out.push_back({fmt::format("a {} is asked for", what), [what](const Replicated& db) {
                           post(db, what);
                           return nothing();
                       }});
    out.push_back({"held and resumed",
                   [](const Replicated& db) -> Mend {
                       const auto asked = post(db, "hold");
                       if (asked.status != 202) return nothing();
                       return [&db, operation = operation_of(asked)] {
                           db.stack().wait_operation(operation);
                           REQUIRE(
                               eventually([&] { return db.state() != "held" || post(db, "resume").status == 202; }));
                           REQUIRE(eventually([&] { return db.state() != "held"; }));
                       };
                   },
                   true});
}

Mend fill(const SmallVolumes& volumes, const std::vector<std::string>& members) {
    for (const auto& member : members) volumes.fill(member);
    return [&volumes, members] {
        for (const auto& member : members) volumes.make_room(member);
    };
}

void faults_of_volumes(std::vector<Fault>& out, const SmallVolumes& volumes) {
    out.push_back({"the volume is full of the primary",
                   [&volumes](const Replicated& db) { return fill(volumes, {db.primary()}); }, true});
    out.push_back({"the volume is full of the standby",
                   [&volumes](const Replicated& db) { return fill(volumes, {db.standby()}); }, true});
    out.push_back({"both volumes are full",
                   [&volumes](const Replicated& db) { return fill(volumes, {db.primary(), db.standby()}); }, true});
}

}  // namespace

std::vector<Fault> all_faults(const SmallVolumes* volumes) {
    std::vector<Fault> out;
    // Whichever member is that when it strikes.
    const std::pair<std::string, MemberOf> roles[] = {{"primary", [](const Replicated& db) { return db.primary(); }},
                                                      {"standby", [](const Replicated& db) { return db.standby(); }}};
    for (const auto& [whose, member] : roles) {
        faults_of_a_server(out, whose, member);
        faults_of_a_member(out, whose, member);
    }
    faults_of_the_stream(out);
    faults_of_both(out);
    faults_of_load(out);
    faults_of_the_control_plane(out);
    faults_by_hand(out);
    if (volumes != nullptr) faults_of_volumes(out, *volumes);
    return out;
}

}  // namespace toygres::test
