// Looks through the certificates of all running instances and renews those that are due (kube/certificates.hpp), by the
// CA of each; those of another CA are somebody else's to renew. Idempotent: what is renewed is due no longer, and what
// became of a renewal that was cut short is told by its Secret. Also keeps what applications connect by in step with
// the password and the CA.
#pragma once
#include "activities/instance_ref.hpp"
#include "base/json.hpp"
#include "kube/certificates.hpp"
#include "runtime/host/activity_context.hpp"

#include <string>
#include <vector>

namespace toygres::activities {

class InstanceServices;

struct RenewCertificates {
    static constexpr std::string_view name = "renew_certificates";
    // kube::CertificatePolicy, in seconds.
    struct Input {
        std::int64_t lifetime_s;
        std::int64_t margin_s;
    };
    struct Output {
        int looked_at;
        std::vector<std::string> renewed;  // k8s_name of each
        std::vector<std::string> failed;   // the log says why
    };
    static asio::awaitable<Output> run(runtime::ActivityContext& ctx, Input in);
};
BOOST_DESCRIBE_STRUCT(RenewCertificates::Input, (), (lifetime_s, margin_s))
BOOST_DESCRIBE_STRUCT(RenewCertificates::Output, (), (looked_at, renewed, failed))

// The same for one instance, for a new one whose load balancer has got its address. true: renewed. Errors: those of the
// Kubernetes client and the CMS; invalid/"bad_ca".
asio::awaitable<Result<bool>> renew_certificates(InstanceServices& services, InstanceRef instance,
                                                 kube::CertificatePolicy policy = {});

}  // namespace toygres::activities
