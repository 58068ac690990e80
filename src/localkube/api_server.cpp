#include "localkube/api_server.hpp"

#include "base/log.hpp"
#include "localkube/api_discovery.hpp"
#include "localkube/api_request.hpp"
#include "localkube/api_routes.hpp"
#include "localkube/api_status.hpp"
#include "localkube/rbac.hpp"

#include <fmt/format.h>

namespace toygres::localkube {
namespace {

constexpr std::size_t body_limit_bytes = 8 << 20;
constexpr std::chrono::seconds stop_grace{2};

// Anybody may see that the server lives and which version it is.
bool is_public(const std::string& first_segment) {
    return first_segment == "healthz" || first_segment == "livez" || first_segment == "readyz" ||
           first_segment == "version";
}

http::ServerOptions server_options(const ApiServerOptions& options) {
    http::ServerOptions out;
    out.address = options.address;
    out.port = options.port;
    out.tls = http::ServerTls{options.certificate_chain_pem, options.private_key_pem, {}, false};
    out.body_limit_bytes = body_limit_bytes;
    out.header_limit_bytes = 64 << 10;
    out.error_page = [](int status, std::string_view detail) {
        const char* reason = status == 413 ? "RequestEntityTooLarge" : status < 500 ? "BadRequest" : "InternalError";
        return status_response({ErrorKind::invalid, reason, std::string(detail), {{"code", status}}});
    };
    return out;
}

}  // namespace

class ApiServer::Impl {
  public:
    Impl(asio::io_context& io, ApiServerOptions options, ObjectStore& store, Node& node)
        : context_{store, node, std::move(options.mint_token)},
          authenticate_(std::move(options.authenticate)),
          server_(io, server_options(options), [this](http::Exchange& exchange) { return handle(exchange); }) {}

    // Answers every error of a request as a Status.
    asio::awaitable<void> handle(http::Exchange& exchange) {
        std::optional<Error> failure;
        try {
            co_await dispatch(exchange);
        } catch (const Json::exception& e) {
            // A shape that nobody checked for: the object's fault, not ours.
            failure = Error{ErrorKind::invalid, "invalid_field",
                            std::string("the object has an unexpected shape: ") + e.what()};
        } catch (const ErrorException& e) {
            failure = e.error();
        }
        if (!failure) co_return;
        const auto response = status_response(*failure);
        if (response.status >= 500)
            log::error("kube_api.request_failed", {{"method", exchange.request().method},
                                                   {"target", exchange.request().target},
                                                   {"error", failure->message}});
        co_await exchange.respond(response);
    }

    http::Server& server() { return server_; }
    ObjectStore& store() { return context_.store; }

  private:
    asio::awaitable<void> dispatch(http::Exchange& exchange) {
        const auto& http = exchange.request();
        auto target = value_or_raise(http::Target::parse(http.target));
        const auto segments = target.segments();
        std::string user;
        if (segments.empty() || !is_public(segments[0])) user = authenticate(http);
        if (http.method == "GET")
            if (auto page = discovery_response(segments)) co_return co_await exchange.respond(*std::move(page));
        auto path = ResourcePath::parse(segments);
        if (!path) raise_no_such_resource();
        auto verb = verb_of(http, target, *path);
        std::vector<std::string> warnings;
        const ApiRequest request{http, std::move(target), std::move(user), *std::move(path), std::move(verb), warnings};
        authorize(request);
        const auto* route = find_route(request.path, request.verb);
        if (!route && !has_any_route(request.path)) raise_no_such_resource();
        if (!route)
            raise_status(405, "MethodNotAllowed", "the server does not allow this method on the requested resource");
        if (route->stream) co_return co_await route->stream(request, context_, exchange);
        auto response = route->answer(request, context_);
        if (!warnings.empty()) response.headers.set("Warning", warning_header(warnings));
        co_await exchange.respond(std::move(response));
    }

    std::string authenticate(const http::Request& request) const {
        constexpr std::string_view scheme = "Bearer ";
        const auto header = request.headers.get("Authorization");
        if (header.starts_with(scheme))
            if (auto user = authenticate_(header.substr(scheme.size()))) return *std::move(user);
        raise_status(401, "Unauthorized", "Unauthorized");
    }

    void authorize(const ApiRequest& request) const {
        const auto& path = request.path;
        // Everybody may ask about themselves.
        if (path.group == "authorization.k8s.io" || path.group == "authentication.k8s.io") return;
        const auto resource = path.subresource.empty() ? path.plural : path.plural + "/" + path.subresource;
        auto name = path.name;
        if (name.empty() && (request.verb == "list" || request.verb == "watch"))
            name = name_in_field_selector(request.query("fieldSelector"));
        if (is_allowed(context_.store, {request.user, request.verb, path.group, resource, path.ns, name})) return;
        const auto where =
            path.ns.empty() ? std::string("at the cluster scope") : fmt::format("in the namespace \"{}\"", path.ns);
        const auto why = fmt::format("User \"{}\" cannot {} resource \"{}\" in API group \"{}\" {}", request.user,
                                     request.verb, resource, path.group, where);
        if (path.type) raise_forbidden(*path.type, path.name, why);
        raise_status(403, "Forbidden", why);
    }

    ApiContext context_;
    std::function<std::optional<std::string>(std::string_view token)> authenticate_;
    http::Server server_;
};

ApiServer::ApiServer(asio::io_context& io, ApiServerOptions options, ObjectStore& store, Node& node)
    : impl_(std::make_unique<Impl>(io, std::move(options), store, node)) {}
ApiServer::~ApiServer() = default;

unsigned short ApiServer::port() const { return impl_->server().port(); }

void ApiServer::start() {
    for (const char* name : {"default", "kube-system"}) {
        const ObjectKey key{"namespaces", "", name};
        if (impl_->store().get(key)) continue;
        value_or_raise(impl_->store().create(
            key, {{"apiVersion", "v1"},
                  {"kind", "Namespace"},
                  {"metadata", {{"name", name}, {"labels", {{"kubernetes.io/metadata.name", name}}}}}}));
    }
    impl_->server().start();
}

asio::awaitable<void> ApiServer::stop() { return impl_->server().stop(stop_grace); }

}  // namespace toygres::localkube
