#include "fleet/hollow_instances.hpp"

#include "base/assert.hpp"
#include "kube/inspect.hpp"
#include "kube/manifests.hpp"

#include <fmt/format.h>
#include <openssl/pem.h>

namespace toygres::bench {
namespace {

constexpr const char* position = "0/5000148";  // nobody writes

std::unique_ptr<BIO, decltype(&BIO_free)> reader_of(const std::string& pem) {
    return {BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), &BIO_free};
}

Identity make_identity(const Json& secret) {
    const auto certificate = value_or_raise(kube::secret_value(secret, "tls.crt")).reveal();
    const auto key = value_or_raise(kube::secret_value(secret, "tls.key")).reveal();
    const auto certificate_reader = reader_of(certificate);
    const auto key_reader = reader_of(key);
    Identity out{{PEM_read_bio_X509(certificate_reader.get(), nullptr, nullptr, nullptr), &X509_free},
                 {PEM_read_bio_PrivateKey(key_reader.get(), nullptr, nullptr, nullptr), &EVP_PKEY_free}};
    if (!out.certificate || !out.key) raise(ErrorKind::invalid, "bad_tls", "the instance's certificate is none");
    return out;
}

}  // namespace

localkube::ObjectPtr HollowInstances::object(const char* resource, const HollowInstance& instance,
                                             const std::string& name) const {
    auto found = store_.get({resource, instance.ns, name});
    if (!found) raise(ErrorKind::not_found, "hollow_object_missing", fmt::format("there is no {} {}", resource, name));
    return found;
}

HollowInstance& HollowInstances::get(const HollowNode::Place& place) {
    auto& known = instances_[place.instance];
    if (!known) {
        known = std::make_unique<HollowInstance>(instances_.size() - 1, place.ns, place.instance);
        TG_ASSERT(known->number < instances_max);
        sight_.instances = static_cast<std::int64_t>(instances_.size());
    }
    auto& instance = *known;
    if (const auto secret = object("secrets", instance, kube::tls_secret(place.instance));
        secret != instance.tls_secret) {
        instance.identity = make_identity(*secret);
        instance.tls_secret = secret;
    }
    if (const auto config = object("configmaps", instance, kube::topology_config_map(place.instance));
        config != instance.config_map) {
        const auto text = kube::text_at(*config, "/data/" + std::string(ha::topology_key));
        instance.topology = value_or_raise(ha::parse_topology(text));
        instance.config_map = config;
    }
    return instance;
}

const Verifier& HollowInstances::verifier(HollowInstance& instance) {
    const auto secret = object("secrets", instance, kube::superuser_secret(instance.k8s_name));
    if (secret != instance.superuser_secret) {
        instance.verifier = make_verifier(value_or_raise(kube::secret_value(*secret, "password")).reveal());
        instance.superuser_secret = secret;
    }
    return instance.verifier;
}

std::string HollowInstances::primary_of(const HollowInstance& instance) const {
    for (const auto& [member, settings] : instance.topology.members) {
        const auto pod = store_.get({"pods", instance.ns, member + "-0"});
        if (pod && kube::text_at(*pod, "/metadata/labels/toygres.io~1role") == "primary") return member;
    }
    return {};
}

// As an agent answers whose postgres has nothing to do.
ha::AgentStatus HollowInstances::status_of(HollowInstance& instance, const std::string& member) {
    const auto& topology = instance.topology;
    const auto role = ha::role_of(topology, member);
    ha::AgentStatus out{.member = member,
                        .agent_version = TOYGRES_VERSION,
                        .state = ha::AgentState::running,
                        .ready = true,
                        .role = role,
                        .epoch = topology.epoch,
                        .revision = topology.revision,
                        .postgres_version = "17.5",
                        .system_identifier = "7423111333555777999",
                        .timeline = topology.epoch,
                        .disk_total_bytes = std::int64_t{100} << 30,
                        .disk_free_bytes = std::int64_t{90} << 30,
                        .started_at = started_at_,
                        .postgres_started_at = started_at_,
                        .restarts = 0};
    if (role == ha::Role::replica) {
        out.receive_lsn = out.replay_lsn = position;
        out.receiver = ha::ReceiverStatus{"streaming", topology.primary, 100};
        return out;
    }
    out.write_lsn = out.flush_lsn = position;
    out.login = ha::LoginStatus{true, std::nullopt, 0, ha::free_connections_told_max};
    const auto settings = topology.members.find(member);
    const auto names =
        settings == topology.members.end() ? "" : settings->second.synchronous_standby_names.value_or("");
    out.synchronous_standby_names = names;
    out.peers.emplace();
    out.slots.emplace();
    for (const auto& [other, unused] : topology.members) {
        if (other == member) continue;
        const auto stream = ha::stream_name(other, topology.epoch);
        out.peers->push_back({stream, "streaming", names.contains(stream) ? "quorum" : "async", position, position, 0});
        out.slots->push_back({ha::slot_name(other), true, "reserved", position});
    }
    return out;
}

}  // namespace toygres::bench
