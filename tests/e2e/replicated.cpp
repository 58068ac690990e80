#include "replicated.hpp"

#include "base/asio.hpp"
#include "kube/inspect.hpp"
#include "kube/manifests.hpp"
#include "processes.hpp"
#include "support/kubectl.hpp"
#include "support/run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <fstream>

namespace toygres::test {

namespace {

constexpr auto ns = "toygres";

void create(const Stack& stack, const std::string& name, Json more) {
    if (!more.contains("check_interval")) more["check_interval"] = "2s";
    const auto made = stack.wait_operation(stack.create(name, std::move(more)));
    INFO(made.dump());
    REQUIRE(made.at("state") == "succeeded");
}

}  // namespace

Replicated::Replicated(Stack& stack, const std::string& name, Json more)
    : Replicated(stack, (create(stack, name, std::move(more)), name), Running()) {}

Replicated::Replicated(Stack& stack, std::string name, Running) : stack_(stack), name_(std::move(name)) {
    k8s_name_ =
        stack_.value(fmt::format("SELECT k8s_name FROM instances WHERE user_name = '{}' AND state = 'running'", name_));
    const auto connection = parse_json(stack_.call("GET", "/api/v1/instances/" + name_ + "/connection").body).value();
    ca_path_ = fmt::format("{}/{}.crt", stack_.directory, k8s_name_);
    std::ofstream(ca_path_) << connection.at("ca_certificate").get<std::string>();
    password_ = connection.at("password").get<std::string>();
    host_ = connection.at("host").get<std::string>();
    set_policy({{"cooldown_ms", 0}});
}

std::string Replicated::of_record(const std::string& expression) const {
    return stack_.value(
        fmt::format("SELECT {} FROM replication r JOIN instances i ON i.id = r.instance_id WHERE i.k8s_name = '{}'",
                    expression, k8s_name_));
}

Json Replicated::record() const { return parse_json(of_record("r.record")).value(); }
std::string Replicated::state() const { return of_record("r.state"); }
std::string Replicated::primary() const { return of_record("r.primary_member"); }
int Replicated::epoch() const { return std::stoi(of_record("r.epoch")); }
std::string Replicated::blocked() const { return of_record("r.blocked"); }
std::string Replicated::health() const { return of_record("i.health_status"); }

std::string Replicated::standby() const {
    return of_record(
        "(SELECT m FROM jsonb_array_elements_text(record -> 'members') m WHERE m <> primary_member LIMIT 1)");
}

Json Replicated::last_failover() const {
    const auto text = of_record(
        "(SELECT jsonb_build_object('kind', kind, 'status', status, 'old_primary', old_primary, 'new_primary', "
        "new_primary, 'epoch', epoch, 'data_loss_bytes', data_loss_bytes) FROM failovers f WHERE f.instance_id = i.id "
        "ORDER BY started_at DESC LIMIT 1)");
    return text.empty() ? Json() : parse_json(text).value();
}

int Replicated::failovers() const {
    return std::stoi(of_record("(SELECT count(*) FROM failovers f WHERE f.instance_id = i.id)"));
}

int Replicated::completed_failovers() const {
    return std::stoi(
        of_record("(SELECT count(*) FROM failovers f WHERE f.instance_id = i.id AND f.status = 'completed')"));
}

int Replicated::open_failovers() const {
    return std::stoi(
        of_record("(SELECT count(*) FROM failovers f WHERE f.instance_id = i.id AND f.completed_at IS NULL)"));
}

bool Replicated::becomes(const std::string& wanted, int seconds) const {
    const bool became = eventually([&] { return state() == wanted; }, seconds);
    UNSCOPED_INFO(name_ << " is " << state() << ", wanted was " << wanted);
    return became;
}

// A primary whose pod is told to stop serves on for a while, as if nothing were to happen.
bool Replicated::is_to_stay(const std::string& member) const {
    try {
        const auto set = get("StatefulSet", member);
        return set.at("spec").at("replicas") == 1 && kube::text_at(set, "/metadata/deletionTimestamp").empty() &&
               kube::text_at(get("Pod", member + "-0"), "/metadata/deletionTimestamp").empty();
    } catch (const ErrorException&) {
        return false;
    }
}

bool Replicated::is_whole() const {
    const auto members = record().at("members").get<std::vector<std::string>>();
    if (!std::ranges::all_of(members, [&](const auto& member) { return is_to_stay(member); })) return false;
    const auto standbys = members.size() - 1;
    if (state() != "synced" || members_labelled("primary") != std::vector{primary()} ||
        members_labelled("replica").size() != standbys)
        return false;
    try {
        return value_at(primary(), fmt::format("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND "
                                               "sync_state IN ('sync', 'quorum') AND application_name LIKE '%\\_e{}'",
                                               epoch())) == std::to_string(standbys);
    } catch (const std::exception&) {
        return false;
    }
}

bool Replicated::becomes_whole(int seconds) const {
    const bool became = eventually([&] { return is_whole(); }, seconds);
    UNSCOPED_INFO(name_ << " is " << record().dump());
    return became;
}

void Replicated::set_policy(const Json& changes) const {
    stack_.sql(
        fmt::format("UPDATE replication r SET policy = policy || '{}' FROM instances i "
                    "WHERE i.id = r.instance_id AND i.k8s_name = '{}'",
                    changes.dump(), k8s_name_));
    wake();
}

void Replicated::wake() const {
    const auto answer =
        stack_.call("POST", "/api/v1/orchestrations/" + monitor() + "/signal", {{"name", "wake"}, {"payload", Json()}});
    INFO(answer.body);
    REQUIRE(answer.status == 202);
}

Json Replicated::ask(const std::string& kind, const Json& body) const {
    const auto* method = kind == "replication" ? "PATCH" : "POST";
    const auto answer = stack_.call(method, fmt::format("/api/v1/instances/{}/{}", name_, kind), body);
    INFO(answer.body);
    REQUIRE(answer.status == 202);
    auto operation = stack_.wait_operation(operation_of(answer));
    UNSCOPED_INFO(kind << ": " << operation.dump());
    return operation;
}

void Replicated::check_refused(const std::string& kind, const Json& body, const std::string& code) const {
    INFO(kind << " " << body.dump());
    const auto before = record();
    const auto operation = ask(kind, body);
    CHECK(operation.at("state") == "failed");
    CHECK(operation.at("error").at("code") == code);
    CHECK_FALSE(operation.at("error").at("message").get<std::string>().empty());
    CHECK(record() == before);
}

template <class F> auto Replicated::with_kube(F&& use) const {
    asio::io_context io;
    kube::Client client(io.get_executor(), kube::load_kubeconfig(stack_.kubeconfig()).value());
    return value_or_raise(run(io, use(client)));
}

Json Replicated::get(const std::string& kind, const std::string& name) const {
    return with_kube([&](kube::Client& client) { return client.get(kube::resource(kind, ns, name)); });
}

std::vector<std::string> Replicated::members_labelled(const std::string& role) const {
    const auto pods = with_kube([&](kube::Client& client) {
        return client.list(kube::resource("Pod", ns, ""),
                           {.labels = kube::instance_selector(k8s_name_) + ",toygres.io/role=" + role});
    });
    std::vector<std::string> out;
    for (const auto& pod : pods.items) out.push_back(kube::text_at(pod, "/metadata/labels/toygres.io~1member"));
    return out;
}

std::vector<std::string> Replicated::addresses_behind(const std::string& service) const {
    std::vector<std::string> out;
    const auto endpoints = get("Endpoints", service);
    for (const auto& subset : endpoints.value("subsets", Json::array()))
        for (const auto& address : subset.value("addresses", Json::array()))
            out.push_back(address.at("ip").get<std::string>());
    return out;
}

std::string Replicated::address(const std::string& member) const {
    return kube::text_at(get("Pod", member + "-0"), "/status/podIP");
}

void Replicated::delete_pod(const std::string& member) const {
    with_kube([&](kube::Client& client) { return client.remove(kube::resource("Pod", ns, member + "-0")); });
}

void Replicated::scale(const std::string& member, int replicas) const {
    with_kube([&](kube::Client& client) {
        return client.patch(kube::resource("StatefulSet", ns, member), kube::PatchType::merge,
                            {{"spec", {{"replicas", replicas}}}});
    });
}

void Replicated::strike_down(const std::string& member) const {
    const auto agent_pid = agent(member);
    const auto is_leaving = [&] {
        try {
            return !kube::text_at(get("Pod", member + "-0"), "/metadata/deletionTimestamp").empty();
        } catch (const ErrorException& e) {
            return e.error().kind == ErrorKind::not_found;
        }
    };
    // Stopped, it does not hear the SIGTERM; a container that dies before its pod is deleted would be started again.
    if (agent_pid != 0) ::kill(agent_pid, SIGSTOP);
    scale(member, 0);
    REQUIRE(eventually(is_leaving));
    for (const auto pid : server_processes(member)) ::kill(pid, SIGKILL);
    if (agent_pid != 0) ::kill(agent_pid, SIGKILL);
}

Ran Replicated::evict(const std::string& member) const {
    const auto eviction = Json{
        {"apiVersion", "policy/v1"}, {"kind", "Eviction"}, {"metadata", {{"name", member + "-0"}, {"namespace", ns}}}};
    return shell(
        fmt::format("(echo '{}' | KUBECONFIG={}/cluster/kubeconfig {} create --raw "
                    "/api/v1/namespaces/{}/pods/{}-0/eviction -f -)",
                    eviction.dump(), stack_.directory, kubectl_program(), ns, member));
}

int Replicated::healthy_by_budget() const {
    return get("PodDisruptionBudget", k8s_name_).at("status").value("currentHealthy", 0);
}

void Replicated::delete_stateful_set(const std::string& member) const {
    with_kube([&](kube::Client& client) { return client.remove(kube::resource("StatefulSet", ns, member)); });
}

void Replicated::delete_claim(const std::string& member) const {
    with_kube([&](kube::Client& client) {
        return client.remove(kube::resource("PersistentVolumeClaim", ns, member + "-data"));
    });
}

void Replicated::delete_topology() const {
    with_kube([&](kube::Client& client) {
        return client.remove(kube::resource("ConfigMap", ns, kube::topology_config_map(k8s_name_)));
    });
}

void Replicated::set_label(const std::string& member, const std::string& role) const {
    with_kube([&](kube::Client& client) {
        return client.patch(kube::resource("Pod", ns, member + "-0"), kube::PatchType::merge,
                            {{"metadata", {{"labels", {{"toygres.io/role", role}}}}}});
    });
}

std::string Replicated::topology() const {
    try {
        return kube::text_at(get("ConfigMap", kube::topology_config_map(k8s_name_)), "/data/topology.json");
    } catch (const ErrorException&) {
        return {};
    }
}

void Replicated::write_topology(const std::string& text) const {
    with_kube([&](kube::Client& client) {
        return client.patch(kube::resource("ConfigMap", ns, kube::topology_config_map(k8s_name_)),
                            kube::PatchType::merge, {{"data", {{"topology.json", text}}}});
    });
}

std::string Replicated::secret(const std::string& name, const std::string& key) const {
    return std::string(kube::secret_value(get("Secret", name), key).value().reveal());
}

std::vector<std::string> Replicated::objects() const {
    auto out = stack_.objects();
    std::erase_if(out, [&](const std::string& object) { return !object.contains(k8s_name_); });
    return out;
}

std::vector<std::string> Replicated::volumes() const {
    auto out = stack_.volumes();
    std::erase_if(out, [&](const std::string& volume) { return !volume.contains(k8s_name_); });
    return out;
}

int Replicated::agent(const std::string& member) const { return agent_of(member); }
int Replicated::postmaster(const std::string& member) const { return postmaster_of(member); }
std::vector<int> Replicated::server_processes(const std::string& member) const { return server_processes_of(member); }

void Replicated::signal_server(const std::string& member, int number) const {
    const auto pids = server_processes(member);
    REQUIRE_FALSE(pids.empty());
    for (const auto pid : pids) ::kill(pid, number);
}

int Replicated::server_process(const std::string& member, const std::string& title) const {
    return server_process_of(member, title);
}

std::string Replicated::data_directory(const std::string& member) const {
    return fmt::format("{}/cluster/volumes/{}/{}-data/pgdata", stack_.directory, ns, member);
}

std::string Replicated::conninfo() const {
    return fmt::format("host={} port=5432 user=postgres dbname=postgres password={} sslmode=verify-ca sslrootcert={}",
                       host_, password_, ca_path_);
}

std::string Replicated::conninfo_of(const std::string& member) const {
    return fmt::format("host={} port=5432 user=postgres dbname=postgres password={} sslmode=require", address(member),
                       password_);
}

std::string Replicated::value_at(const std::string& member, const std::string& query) const {
    pqxx::connection connection(conninfo_of(member) + " connect_timeout=10");
    const auto rows = pqxx::nontransaction(connection).exec(query);
    return rows.empty() || rows[0][0].is_null() ? "" : rows[0][0].as<std::string>();
}

std::string Replicated::value(const std::string& query) const {
    pqxx::connection connection(conninfo() + " connect_timeout=10");
    const auto rows = pqxx::nontransaction(connection).exec(query);
    return rows.empty() || rows[0][0].is_null() ? "" : rows[0][0].as<std::string>();
}

}  // namespace toygres::test
