#include "activities/rotate_password.hpp"

#include "activities/instance_services.hpp"
#include "base/crash_point.hpp"
#include "base/crypto.hpp"
#include "base/log.hpp"
#include "cms/instances.hpp"
#include "cms/sealed.hpp"
#include "kube/certificates.hpp"
#include "kube/inspect.hpp"
#include "pg/password.hpp"

#include <fmt/format.h>

namespace toygres::activities {
namespace {

using namespace std::chrono_literals;

constexpr auto superuser = "postgres";
constexpr auto connect_timeout = 5s;

asio::awaitable<std::optional<Secret>> unsealed(InstanceServices& services, InstanceRef in, std::string name) {
    auto lease = value_or_raise(co_await services.pool->acquire());
    const auto sealed = value_or_raise(co_await cms::get_sealed(*lease, in.instance, name));
    if (!sealed) co_return std::nullopt;
    co_return value_or_raise(services.sealer.open(*sealed, in.k8s_name));
}

asio::awaitable<Secret> wanted_password(InstanceServices& services, InstanceRef in) {
    auto wanted = co_await unsealed(services, in, new_password);
    if (!wanted) raise(ErrorKind::conflict, "rotation_ended", "the change of the password was ended by somebody else");
    co_return *std::move(wanted);
}

// The first one that is kept is the one that the server still takes.
asio::awaitable<void> keep_old(InstanceServices& services, InstanceRef in, Secret password) {
    auto lease = value_or_raise(co_await services.pool->acquire());
    value_or_raise(
        co_await cms::keep_sealed(*lease, in.instance, old_password, services.sealer.seal(password, in.k8s_name)));
}

// nullptr: the password is refused.
asio::awaitable<std::unique_ptr<pg::Connection>> sign_in(InstanceServices& services, InstanceRef in, Secret password) {
    const auto endpoint = value_or_raise(co_await services.endpoint(in.k8s_name, in.ns));
    // A standby that does not confirm must not keep it waiting: the change is made, and gets there when it is back.
    const auto conninfo = value_or_raise(pg::with_password_instead(endpoint.conninfo.reveal(), password));
    auto connected = co_await pg::Connection::connect(conninfo + " options='-c statement_timeout=10s'", "",
                                                      "toygres rotate-password", connect_timeout);
    if (!connected && connected.error().code == "database_refused") co_return nullptr;
    co_return value_or_raise(std::move(connected));
}

asio::awaitable<RotateSecret::Output> rotate_secret(InstanceServices& services, InstanceRef in) {
    const auto wanted = co_await wanted_password(services, in);
    auto secret = value_or_raise(
        co_await services.kube.get(kube::resource("Secret", in.ns, kube::superuser_secret(in.k8s_name))));
    const auto present = value_or_raise(kube::secret_value(secret, "password"));
    if (constant_time_equal(present.reveal(), wanted.reveal())) co_return RotateSecret::Output{false};
    co_await keep_old(services, in, present);
    crash_point("rotate.old_kept");
    const auto ca = value_or_raise(kube::secret_value(secret, "ca.crt"));
    kube::set_keys(secret, kube::connection_keys(wanted.reveal(), in.k8s_name, in.ns, ca.reveal()));
    auto replaced = co_await services.kube.replace(std::move(secret));
    if (!replaced && replaced.error().code == "kube_conflict") replaced.error().kind = ErrorKind::transient;
    value_or_raise(std::move(replaced));
    crash_point("rotate.secret_replaced");
    co_return RotateSecret::Output{true};
}

asio::awaitable<RotateRole::Output> rotate_role(InstanceServices& services, InstanceRef in) {
    const auto wanted = co_await wanted_password(services, in);
    // What is remembered has the old password in it.
    services.forget(in.k8s_name);
    if (co_await sign_in(services, in, wanted)) co_return RotateRole::Output{false};
    const auto before = co_await unsealed(services, in, old_password);
    const auto session = before ? co_await sign_in(services, in, *before) : nullptr;
    if (!session)
        raise(ErrorKind::transient, "password_refused",
              "the server takes neither the new nor the old password; its agent sets the new one once it sees the "
              "Secret");
    const auto verifier = value_or_raise(pg::password_verifier(superuser, wanted));
    value_or_raise(co_await session->run(fmt::format("ALTER ROLE {} PASSWORD '{}'", superuser, verifier)));
    crash_point("rotate.role_changed");
    log::info("password.rotated", {{"k8s_name", in.k8s_name}});
    co_return RotateRole::Output{true};
}

}  // namespace

asio::awaitable<RotateSecret::Output> RotateSecret::run(runtime::ActivityContext& ctx, Input in) {
    return rotate_secret(ctx.service<InstanceServices>(), std::move(in));
}

asio::awaitable<RotateRole::Output> RotateRole::run(runtime::ActivityContext& ctx, Input in) {
    return rotate_role(ctx.service<InstanceServices>(), std::move(in));
}

}  // namespace toygres::activities
