#include "api/accept.hpp"
#include "api/rotate_password.hpp"
#include "api/route.hpp"
#include "api/views.hpp"
#include "cms/events.hpp"
#include "kube/inspect.hpp"
#include "kube/manifests.hpp"

#include <fmt/format.h>

namespace toygres::api {
namespace {

struct ConnectionView {
    std::string instance;
    std::string host;
    int port;
    std::string user;
    std::string database;
    std::string sslmode;
    std::optional<std::string> dns_name;
    std::string ca_certificate;
    std::string url;
    std::string url_with_password;
    std::string password;
};
BOOST_DESCRIBE_STRUCT(ConnectionView, (),
                      (instance, host, port, user, database, sslmode, dns_name, ca_certificate, url, url_with_password,
                       password))

asio::awaitable<Secret> secret_of(const Call& call, const cms::Instance& instance, std::string name, std::string key) {
    auto object = co_await call.services().kube.get(kube::resource("Secret", instance.ns, name));
    if (!object && object.error().code == "kube_not_found")
        raise(ErrorKind::conflict, "instance_not_ready",
              fmt::format("the instance {} is {} and has no credentials", instance.name, instance.state));
    co_return value_or_raise(kube::secret_value(value_or_raise(std::move(object)), key));
}

// With the password, straight from its Kubernetes Secret; that it was read is kept in the instance's trail.
asio::awaitable<http::Response> get_connection(Call& call) {
    call.expect_query({});
    const auto instance =
        co_await call.read([&](pg::Connection& db) { return call.own_instance(db, call.param("name")); });
    if (!instance.external_ip)
        raise(ErrorKind::conflict, "instance_not_ready",
              fmt::format("the instance {} is {} and has no address yet", instance.name, instance.state));
    const auto password = co_await secret_of(call, instance, kube::superuser_secret(instance.k8s_name), "password");
    const auto ca = co_await secret_of(call, instance, kube::tls_secret(instance.k8s_name), "ca.crt");
    value_or_raise(co_await query(call.services().pool, [&](pg::Connection& db) {
        return cms::add_event(db, instance.id, "credentials_read", "the superuser's password was given out",
                              call.actor());
    }));
    co_return json_response(encode(ConnectionView{
        .instance = instance.name,
        .host = *instance.external_ip,
        .port = postgres_port,
        .user = superuser,
        .database = "postgres",
        .sslmode = "verify-full",
        .dns_name = instance.dns_name,
        .ca_certificate = ca.reveal(),
        .url = connection_url(superuser, *instance.external_ip, instance.dns_name),
        .url_with_password = connection_url(fmt::format("{}:{}", superuser, http::percent_encode(password.reveal())),
                                            *instance.external_ip, instance.dns_name),
        .password = password.reveal()}));
}

// 202 with the operation; the new password is where the old one was.
asio::awaitable<http::Response> post_rotation(Call& call) {
    call.expect_query({});
    if (!call.request().body.empty()) call.body<Nothing>();
    co_return accepted(
        value_or_raise(co_await rotate_password(call, call.param("name"), request_digest(call, Json()))));
}

constexpr Route routes[] = {
    {"POST", "/api/v1/instances/{name}/rotate-password", Needs::owner, post_rotation, "instance.rotate_password"},
    {"GET", "/api/v1/instances/{name}/connection", Needs::owner, get_connection, "credentials.read"},
};

}  // namespace

std::span<const Route> connection_routes() { return routes; }

}  // namespace toygres::api
