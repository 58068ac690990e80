#include "activities/test_connection.hpp"

#include "activities/instance_services.hpp"
#include "activities/renew_certificates.hpp"

namespace toygres::activities {
namespace {

constexpr pg::Query version_query{"instance.version", "SELECT version()"};

}  // namespace

asio::awaitable<TestConnection::Output> TestConnection::run(runtime::ActivityContext& ctx, Input in) {
    auto& services = ctx.service<InstanceServices>();
    services.forget(in.k8s_name);
    // Only now a load balancer has an address for the certificate to prove. What cannot be done now is done within the
    // hour.
    co_await renew_certificates(services, in);
    const auto place = co_await services.log_ins.enter(std::chrono::seconds(10));
    if (!place) raise(ErrorKind::transient, "connection_failed", "through the Service: too many log in at once");
    const auto endpoint = value_or_raise(co_await services.endpoint(in.k8s_name, in.ns));
    auto connection =
        co_await pg::Connection::connect(endpoint.conninfo.reveal(), "", "toygres", std::chrono::seconds(5));
    // Just after the pod became ready the Service may not know it yet.
    if (!connection)
        raise(ErrorKind::transient, "connection_failed", "through the Service: " + connection.error().message);
    const auto rows = value_or_raise(co_await (*connection)->execute(version_query));
    co_return Output{endpoint.address, endpoint.dns_name, rows[0].get<std::string>(0)};
}

}  // namespace toygres::activities
