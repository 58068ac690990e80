#include "activities/renew_certificates.hpp"

#include "activities/instance_services.hpp"
#include "base/crash_point.hpp"
#include "base/crypto.hpp"
#include "base/log.hpp"
#include "cms/events.hpp"
#include "kube/certificates.hpp"
#include "kube/inspect.hpp"

#include <fmt/format.h>

#include <limits>
#include <map>

namespace toygres::activities {
namespace {

constexpr auto actor = "certificates";
const std::string renewal_note_at = "/metadata/annotations/toygres.io~1renewal-note";

// The objects of an instance that its certificates have to do with, as they are in the cluster.
struct Subject {
    InstanceRef instance;
    Json tls;
    Json superuser;
    Json service;

    // Beside the names in the cluster: what a load balancer is reached by.
    std::vector<std::string> addresses() const {
        if (kube::text_at(service, "/spec/type") != "LoadBalancer") return {};
        const auto address = kube::service_address(service);
        return address ? std::vector{*address} : std::vector<std::string>();
    }
};

// Of the Secret that no pod mounts; earlier releases kept the key in the TLS Secret.
asio::awaitable<CertificatePair> own_ca(InstanceServices& services, const Subject& subject) {
    const auto& [id, k8s_name, ns] = subject.instance;
    const auto kept = co_await services.kube.get(kube::resource("Secret", ns, kube::ca_secret(k8s_name)));
    if (!kept && kept.error().kind != ErrorKind::not_found) throw ErrorException(kept.error());
    const auto& holder = kept ? *kept : subject.tls;
    const auto certificate = value_or_raise(kube::secret_value(holder, "ca.crt"));
    co_return CertificatePair{certificate.reveal(), value_or_raise(kube::secret_value(holder, "ca.key"))};
}

Json note_of(const kube::Certificates& old, const kube::Certificates& fresh, kube::Renewal why) {
    const auto expiry = [](const CertificatePair& pair) {
        const auto at = certificate_expiry(pair.certificate_pem);
        return at ? Json(format_rfc3339(*at)) : Json();
    };
    return {{"reason", enum_name(why)}, {"old_expiry", expiry(old.server)}, {"new_expiry", expiry(fresh.server)}};
}

// A crash between the renewal and its record leaves the note, and the next look finds it.
asio::awaitable<void> record(InstanceServices& services, const InstanceRef& instance, const Json& tls) {
    const auto note = parse_json(kube::text_at(tls, renewal_note_at));
    if (note) {
        auto metadata = *note;
        metadata["certificate"] = sha256_hex(value_or_raise(kube::secret_value(tls, "tls.crt")).reveal());
        auto lease = value_or_raise(co_await services.pool->acquire());
        value_or_raise(
            co_await cms::add_event_once(*lease, instance.instance, "certificate_renewed",
                                         fmt::format("the server's certificate was renewed ({}), valid until {}",
                                                     note->value("reason", ""), note->value("new_expiry", "")),
                                         metadata, {actor, ""}));
        crash_point("effect.renewal_record");
    }
    value_or_raise(co_await services.kube.patch(
        kube::resource("Secret", instance.ns, kube::tls_secret(instance.k8s_name)), kube::PatchType::merge,
        {{"metadata", {{"annotations", {{std::string(kube::renewal_note), nullptr}}}}}}));
}

asio::awaitable<bool> renew(InstanceServices& services, Subject& subject, kube::CertificatePolicy policy) {
    const auto& [id, k8s_name, ns] = subject.instance;
    const auto held = value_or_raise(kube::read_certificates(subject.tls));
    const auto addresses = subject.addresses();
    const auto why = kube::renewal_of(held, k8s_name, ns, addresses, policy, now());
    if (why == kube::Renewal::not_due) co_return false;
    const auto ca = co_await own_ca(services, subject);
    const auto fresh = kube::issue_certificates(ca, k8s_name, ns, addresses, policy.lifetime);
    if (!is_signed_by(fresh.server.certificate_pem, held.ca_bundle)) {
        // Somebody put others there, and renews them.
        log::warning("certificate.foreign", {{"k8s_name", k8s_name}, {"reason", enum_name(why)}});
        co_return false;
    }
    // By the resourceVersion: whatever was written meanwhile is looked at first.
    subject.tls = value_or_raise(co_await services.kube.replace(
        kube::with_certificates(std::move(subject.tls), fresh, note_of(held.issued, fresh, why))));
    crash_point("effect.renew");
    services.forget_certificates(k8s_name);
    log::info("certificate.renewed", {{"k8s_name", k8s_name}, {"reason", enum_name(why)}});
    co_return true;
}

// What applications connect by follows the password and the CA.
asio::awaitable<void> keep_connection(InstanceServices& services, Subject& subject) {
    const auto& [id, k8s_name, ns] = subject.instance;
    const auto password = value_or_raise(kube::secret_value(subject.superuser, "password"));
    const auto ca = value_or_raise(kube::secret_value(subject.tls, "ca.crt"));
    if (kube::set_keys(subject.superuser, kube::connection_keys(password.reveal(), k8s_name, ns, ca.reveal())))
        value_or_raise(co_await services.kube.replace(std::move(subject.superuser)));
}

// The trouble of one instance, which it logs, is not that of the others.
asio::awaitable<Result<bool>> look(InstanceServices& services, Subject subject, kube::CertificatePolicy policy) {
    const auto instance = subject.instance;
    try {
        const bool renewed = co_await renew(services, subject, policy);
        if (!kube::text_at(subject.tls, renewal_note_at).empty()) co_await record(services, instance, subject.tls);
        co_await keep_connection(services, subject);
        co_return renewed;
    } catch (const ErrorException& e) {
        if (e.error().kind == ErrorKind::cancelled) throw;
        log::warning("certificate.not_kept",
                     {{"k8s_name", instance.k8s_name}, {"code", e.error().code}, {"message", e.error().message}});
        co_return std::unexpected(e.error());
    }
}

using ByName = std::map<std::string, Json>;
asio::awaitable<ByName> list(InstanceServices& services, std::string kind, std::string ns) {
    auto listing =
        value_or_raise(co_await services.kube.list(kube::resource(kind, ns, ""), {.labels = kube::managed_selector()}));
    ByName out;
    for (auto& object : listing.items) {
        auto name = kube::text_at(object, "/metadata/name");
        out[std::move(name)] = std::move(object);
    }
    co_return out;
}

// By namespace.
asio::awaitable<std::map<std::string, std::vector<InstanceRef>>> running(InstanceServices& services) {
    auto lease = value_or_raise(co_await services.pool->acquire());
    const auto rows = value_or_raise(
        co_await cms::list_instances(*lease, {.state = "running", .limit = std::numeric_limits<int>::max()}));
    std::map<std::string, std::vector<InstanceRef>> out;
    for (const auto& row : rows) out[row.ns].push_back({row.id, row.k8s_name, row.ns});
    co_return out;
}

}  // namespace

asio::awaitable<Result<bool>> renew_certificates(InstanceServices& services, InstanceRef instance) {
    const auto& [id, k8s_name, ns] = instance;
    auto tls = co_await services.kube.get(kube::resource("Secret", ns, kube::tls_secret(k8s_name)));
    if (!tls) co_return std::unexpected(tls.error());
    auto superuser = co_await services.kube.get(kube::resource("Secret", ns, kube::superuser_secret(k8s_name)));
    if (!superuser) co_return std::unexpected(superuser.error());
    auto service = co_await services.kube.get(kube::resource("Service", ns, kube::rw_service(k8s_name)));
    if (!service) co_return std::unexpected(service.error());
    co_return co_await look(services, {instance, *std::move(tls), *std::move(superuser), *std::move(service)}, {});
}

asio::awaitable<RenewCertificates::Output> RenewCertificates::run(runtime::ActivityContext& ctx, Input in) {
    auto& services = ctx.service<InstanceServices>();
    const kube::CertificatePolicy policy{std::chrono::seconds(in.lifetime_s), std::chrono::seconds(in.margin_s)};
    Output out{};
    for (const auto& [ns, instances] : co_await running(services)) {
        auto secrets = co_await list(services, "Secret", ns);
        auto balancers = co_await list(services, "Service", ns);
        for (const auto& instance : instances) {
            ++out.looked_at;
            const auto renewed = co_await look(
                services,
                {instance, secrets[kube::tls_secret(instance.k8s_name)],
                 secrets[kube::superuser_secret(instance.k8s_name)], balancers[kube::rw_service(instance.k8s_name)]},
                policy);
            if (!renewed) out.failed.push_back(instance.k8s_name);
            if (renewed.value_or(false)) out.renewed.push_back(instance.k8s_name);
        }
    }
    co_return out;
}

}  // namespace toygres::activities
