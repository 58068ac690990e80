// Servers that keep their keys in a Secret, as those inside a cluster do: started at once, they agree.
#include "base/asio.hpp"
#include "http/client.hpp"
#include "kube/client.hpp"
#include "kube/inspect.hpp"
#include "stack.hpp"
#include "support/run.hpp"

#include <fmt/format.h>

#include <csignal>
#include <set>

using namespace toygres;
using namespace toygres::test;
using namespace std::chrono_literals;

namespace {

constexpr auto secret_name = "an-installation";

std::string of_installation(const Stack& stack, const std::string& key) {
    asio::io_context io;
    kube::Client client(io.get_executor(), value_or_raise(kube::load_kubeconfig(stack.kubeconfig())));
    const auto secret = value_or_raise(run(io, client.get(kube::resource("Secret", "toygres", secret_name))));
    return std::string(value_or_raise(kube::secret_value(secret, key)).reveal());
}

int status_of(const std::string& url, const std::string& target, const std::string& token) {
    asio::io_context io;
    http::Client client(io.get_executor(), {.base_url = url});
    http::Request request{.method = "GET", .target = target, .headers = {}, .body = {}};
    request.headers.set("Authorization", "Bearer " + token);
    const auto response = run(io, client.send(std::move(request), 5s));
    return response ? response->status : 0;
}

}  // namespace

TEST_CASE("installation: servers that start at once make one Secret, and its token opens each until it is revoked",
          "[replicas]") {
    auto& stack = shared_stack();
    const std::vector<std::string> environment{fmt::format("TOYGRES_INSTALLATION_SECRET={}", secret_name)};
    std::vector<Stack::Extra> servers;
    for (int i = 0; i < 3; ++i) servers.push_back(stack.start_extra_server({.environment = environment}));
    for (const auto& server : servers) REQUIRE(eventually([&] { return status_of(server.url, "/livez", "") == 200; }));
    const auto token = of_installation(stack, "api-token");
    CHECK(token.starts_with("tgr_"));
    CHECK(of_installation(stack, "seal-key").size() == 64);
    for (const auto& server : servers) CHECK(status_of(server.url, "/api/v1/instances", token) == 200);
    CHECK(stack.value("SELECT count(*) FROM api_tokens WHERE name = 'installation'") == "1");

    // A server that starts after that does not bring it back.
    CHECK(stack.cli("token revoke installation").code == 0);
    const auto later = stack.start_extra_server({.environment = environment});
    REQUIRE(eventually([&] { return status_of(later.url, "/livez", "") == 200; }));
    CHECK(eventually([&] { return status_of(later.url, "/api/v1/instances", token) == 401; }, 10));
    CHECK(stack.value("SELECT count(*) FROM api_tokens WHERE name = 'installation' AND revoked_at IS NULL") == "0");
    servers.push_back(later);
    for (const auto& server : servers) ::kill(server.pid, SIGKILL);
}
