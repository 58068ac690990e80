#include "activities/renew_certificates.hpp"

#include "activities/instance_services.hpp"
#include "base/crash_point.hpp"
#include "base/crypto.hpp"
#include "base/log.hpp"
#include "cms/events.hpp"
#include "kube/certificates.hpp"
#include "kube/inspect.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace toygres::activities {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto actor = "certificates";
constexpr int idle_times = 4;  // as long as a look took
constexpr std::chrono::milliseconds idle_max{100};
constexpr int failures_max = 10;  // in a row
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
    if (!value_or_raise(Certificate::read(fresh.server.certificate_pem)).is_signed_by(held.ca_bundle)) {
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

asio::awaitable<std::vector<InstanceRef>> running(InstanceServices& services) {
    auto lease = value_or_raise(co_await services.pool->acquire());
    const auto rows = value_or_raise(
        co_await cms::list_instances(*lease, {.state = "running", .limit = std::numeric_limits<int>::max()}));
    std::vector<InstanceRef> out;
    for (const auto& row : rows) out.push_back({row.id, row.k8s_name, row.ns});
    co_return out;
}

// Was it deleted since it was listed?
asio::awaitable<bool> is_gone(InstanceServices& services, const InstanceRef& instance) {
    auto lease = value_or_raise(co_await services.pool->acquire());
    co_return value_or_raise(co_await cms::get_instance(*lease, instance.instance)).state != "running";
}

}  // namespace

asio::awaitable<Result<bool>> renew_certificates(InstanceServices& services, InstanceRef instance,
                                                 kube::CertificatePolicy policy) {
    const auto read = [&](std::string kind, std::string name) -> asio::awaitable<Json> {
        co_return value_or_raise(
            co_await services.kube.get(kube::resource(std::move(kind), instance.ns, std::move(name))));
    };
    const auto& k8s_name = instance.k8s_name;
    try {
        Subject subject{instance, co_await read("Secret", kube::tls_secret(k8s_name)),
                        co_await read("Secret", kube::superuser_secret(k8s_name)),
                        co_await read("Service", kube::rw_service(k8s_name))};
        const bool renewed = co_await renew(services, subject, policy);
        if (!kube::text_at(subject.tls, renewal_note_at).empty()) co_await record(services, instance, subject.tls);
        co_await keep_connection(services, subject);
        co_return renewed;
    } catch (const ErrorException& e) {
        if (e.error().kind == ErrorKind::cancelled) throw;
        co_return std::unexpected(e.error());
    }
}

// One after the other, and idle in between: a look is work for the one thread that everything else happens on, and
// nobody waits for it. The trouble of one instance is not that of the others; that of many in a row is the cluster's.
asio::awaitable<RenewCertificates::Output> RenewCertificates::run(runtime::ActivityContext& ctx, Input in) {
    auto& services = ctx.service<InstanceServices>();
    const kube::CertificatePolicy policy{std::chrono::seconds(in.lifetime_s), std::chrono::seconds(in.margin_s)};
    asio::steady_timer pause(co_await asio::this_coro::executor);
    Output out{};
    int failed_in_a_row = 0;
    for (const auto& instance : co_await running(services)) {
        const auto began = Clock::now();
        const auto renewed = co_await renew_certificates(services, instance, policy);
        if (!renewed && renewed.error().kind == ErrorKind::not_found && co_await is_gone(services, instance)) continue;
        ++out.looked_at;
        failed_in_a_row = renewed ? 0 : failed_in_a_row + 1;
        if (!renewed) {
            const auto& [kind, code, message, details] = renewed.error();
            log::warning("certificate.not_kept",
                         {{"k8s_name", instance.k8s_name}, {"code", code}, {"message", message}});
            out.failed.push_back(instance.k8s_name);
            if (renewed.error().retryable() && failed_in_a_row == failures_max) throw ErrorException(renewed.error());
        }
        if (renewed.value_or(false)) out.renewed.push_back(instance.k8s_name);
        pause.expires_after(std::min<Clock::duration>(idle_times * (Clock::now() - began), idle_max));
        co_await pause.async_wait(use);
    }
    co_return out;
}

}  // namespace toygres::activities
