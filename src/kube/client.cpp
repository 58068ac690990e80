#include "kube/client.hpp"

#include "base/log.hpp"
#include "kube/credentials.hpp"
#include "kube/status.hpp"

#include <fmt/format.h>

#include <map>
#include <random>

namespace toygres::kube {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds retry_delay_first{100};
constexpr int list_page = 500;
constexpr int conflicts_max = 5;    // of an apply with other writers of the object
constexpr int list_starts_max = 3;  // of a list whose pages expire while they are read
constexpr const char* json_type = "application/json";

struct Call {
    std::string action;  // "apply StatefulSet toygres/mydb-1": opens every error's message
    std::string method;
    std::string target;
    std::string body{};
    const char* content_type = json_type;
};

bool worth_retrying(int status) { return status == 429 || (status >= 502 && status <= 504); }

bool successful(int status) { return status >= 200 && status < 300; }

std::string resource_version_of(const Json& object) {
    return object.value(Json::json_pointer("/metadata/resourceVersion"), std::string());
}

class Query {
  public:
    Query& add(std::string_view key, std::string_view value) {
        if (!value.empty())
            text_ += fmt::format("{}{}={}", text_.empty() ? "?" : "&", key, http::percent_encode(value));
        return *this;
    }
    const std::string& text() const { return text_; }

  private:
    std::string text_;
};

std::string with_subresource(const std::string& verb, const std::string& subresource) {
    return subresource.empty() ? verb : fmt::format("{} {} of", verb, subresource);
}

}  // namespace

class Client::Impl {
  public:
    Impl(asio::any_io_executor ex, Access a, ClientSettings s)
        : executor(std::move(ex)), access(std::move(a)), settings(std::move(s)), credentials(executor, access) {
        connect(access.tls);
    }

    void connect(const http::ClientTls& tls) {
        http::ClientOptions options{.base_url = access.server};
        if (access.server.starts_with("https://")) options.tls = tls;
        http = std::make_shared<http::Client>(executor, std::move(options));
    }

    // The request with who we are; takes over a certificate that an exec plugin gave.
    asio::awaitable<Result<http::Request>> prepare(const Call& call) {
        const auto token = co_await credentials.token();
        if (!token)
            co_return std::unexpected(Error{token.error().kind, token.error().code,
                                            fmt::format("{}: {}", call.action, token.error().message)});
        if (const auto& grant = credentials.grant(); grant && grant->certificate_pem != plugin_certificate) {
            plugin_certificate = grant->certificate_pem;
            auto tls = access.tls;
            tls.certificate_pem = grant->certificate_pem;
            tls.private_key_pem = grant->private_key_pem.reveal();
            connect(tls);
        }
        http::Request request{call.method,
                              call.target,
                              {{"Accept", json_type}, {"User-Agent", "toygres/" TOYGRES_VERSION}},
                              call.body,
                              {}};
        if (!call.body.empty()) request.headers.set("Content-Type", call.content_type);
        if (!token->empty()) request.headers.set("Authorization", "Bearer " + token->reveal());
        co_return request;
    }

    // One call with its retries; any status that is not 2xx is an error.
    asio::awaitable<Result<http::Response>> send(Call call) {
        bool asked_anew = false;
        for (int attempt = 0;; ++attempt) {
            auto request = co_await prepare(call);
            if (!request) co_return std::unexpected(request.error());
            const auto client = http;
            const auto began = std::chrono::steady_clock::now();
            auto response = co_await client->send(*std::move(request), settings.request_timeout);
            tell(call, response ? response->status : 0, began);
            if (response && successful(response->status)) co_return response;
            if (response && response->status == 401 && !asked_anew && credentials.refused()) {
                asked_anew = true;
                --attempt;
                continue;
            }
            const auto error =
                response ? status_error(call.action, *response) : transport_error(call.action, response.error());
            // A time-out has used its time up already.
            const bool again = response ? worth_retrying(response->status) : error.code == "kube_unreachable";
            if (!again || attempt >= settings.retries_max) co_return std::unexpected(error);
            co_await pause(attempt, response ? retry_after(*response) : std::nullopt);
        }
    }

    // The first word of an action is its verb.
    void tell(const Call& call, int status, std::chrono::steady_clock::time_point began) const {
        if (settings.on_attempt)
            settings.on_attempt(std::string_view(call.action).substr(0, call.action.find(' ')), status,
                                std::chrono::steady_clock::now() - began);
    }

    asio::awaitable<void> pause(int attempt, std::optional<milliseconds> asked) {
        static thread_local std::minstd_rand random{std::random_device{}()};
        const auto base = retry_delay_first * (1 << attempt);
        const auto jitter =
            milliseconds(std::uniform_int_distribution<>(0, static_cast<int>(base.count() / 2))(random));
        asio::steady_timer timer(executor, std::min(asked.value_or(base + jitter), settings.retry_delay_max));
        co_await timer.async_wait(use);
    }

    asio::awaitable<Result<Json>> send_json(Call call) {
        const auto action = call.action;
        const auto response = co_await send(std::move(call));
        if (!response) co_return std::unexpected(response.error());
        auto json = parse_json(response->body);
        if (!json)
            co_return std::unexpected(
                Error{ErrorKind::transient, "kube_unavailable", fmt::format("{}: {}", action, json.error().message)});
        co_return *std::move(json);
    }

    // Known once per process and kind; an old server answers 404 to the version that it lacks.
    asio::awaitable<Result<std::string>> served_version(std::string kind) {
        const auto* info = find_kind(kind);
        if (info == nullptr)
            co_return std::unexpected(
                Error{ErrorKind::invalid, "unknown_kind", fmt::format("no Kubernetes kind {} is known here", kind)});
        if (info->fallback_version.empty()) co_return std::string(info->api_version);
        if (const auto it = versions.find(kind); it != versions.end()) co_return it->second;
        for (const auto version : {info->api_version, info->fallback_version}) {
            const auto resources =
                co_await send_json({fmt::format("look for {} in {}", kind, version), "GET", api_root(version)});
            if (!resources && resources.error().kind != ErrorKind::not_found)
                co_return std::unexpected(resources.error());
            if (!resources) continue;
            for (const auto& r : resources->value("resources", Json::array()))
                if (r.value("kind", std::string()) == kind) co_return versions[kind] = version;
        }
        co_return std::unexpected(Error{
            ErrorKind::invalid, "kube_kind_not_served",
            fmt::format("the cluster has neither {} nor {} of {}", info->api_version, info->fallback_version, kind)});
    }

    // Path under the version that the server has.
    asio::awaitable<Result<std::string>> path(ResourceRef ref, std::string subresource = {}) {
        auto version = co_await served(ref);
        if (!version) co_return std::unexpected(version.error());
        ref.api_version = *std::move(version);
        co_return path_of(ref, subresource);
    }

    asio::awaitable<Result<std::string>> served(ResourceRef ref) {
        const auto* info = find_kind(ref.kind);
        if (info == nullptr || info->fallback_version.empty() ||
            (ref.api_version != info->api_version && ref.api_version != info->fallback_version))
            co_return ref.api_version;
        co_return co_await served_version(ref.kind);
    }

    // Where an object goes; its apiVersion is changed to what the server has.
    asio::awaitable<Result<std::pair<ResourceRef, std::string>>> place(Json& object, bool collection,
                                                                       std::string subresource = {}) {
        auto ref = ref_of(object);
        if (!ref) co_return std::unexpected(ref.error());
        const auto version = co_await served(*ref);
        if (!version) co_return std::unexpected(version.error());
        ref->api_version = *version;
        object["apiVersion"] = *version;
        auto target = *ref;
        if (collection) target.name.clear();
        auto path = path_of(target, subresource);
        if (!path) co_return std::unexpected(path.error());
        co_return std::pair(*ref, *path);
    }

    asio::any_io_executor executor;
    Access access;
    ClientSettings settings;
    Credentials credentials;
    std::shared_ptr<http::Client> http;
    std::string plugin_certificate;
    std::map<std::string, std::string> versions;
};

Client::Client(asio::any_io_executor executor, Access access, ClientSettings settings)
    : impl_(std::make_shared<Impl>(std::move(executor), std::move(access), std::move(settings))) {}
Client::~Client() = default;

const Access& Client::access() const { return impl_->access; }
asio::any_io_executor Client::executor() const { return impl_->executor; }

asio::awaitable<Result<Json>> Client::get(ResourceRef ref, std::string subresource) {
    const auto impl = impl_;
    const auto path = co_await impl->path(ref, subresource);
    if (!path) co_return std::unexpected(path.error());
    co_return co_await impl->send_json(
        {fmt::format("{} {}", with_subresource("get", subresource), ref.describe()), "GET", *path});
}

asio::awaitable<Result<Listing>> Client::list(ResourceRef collection, Selection selection) {
    const auto impl = impl_;
    collection.name.clear();
    const auto version = co_await impl->served(collection);
    if (!version) co_return std::unexpected(version.error());
    collection.api_version = *version;
    const auto path = path_of(collection);
    if (!path) co_return std::unexpected(path.error());
    Listing out;
    std::string next;
    int starts = 1;
    for (bool more = true; more;) {
        const auto query = Query()
                               .add("labelSelector", selection.labels)
                               .add("fieldSelector", selection.fields)
                               .add("limit", std::to_string(list_page))
                               .add("continue", next);
        auto page = co_await impl->send_json({"list " + collection.describe(), "GET", *path + query.text()});
        if (!page && page.error().code == "kube_expired" && !next.empty() && starts < list_starts_max) {
            ++starts;
            out = {};
            next.clear();
            continue;
        }
        if (!page) co_return std::unexpected(page.error());
        for (auto& item : (*page)["items"]) {
            // The items of a list come without what every single object has.
            item["apiVersion"] = collection.api_version;
            item["kind"] = collection.kind;
            out.items.push_back(std::move(item));
        }
        out.resource_version = resource_version_of(*page);
        next = page->value(Json::json_pointer("/metadata/continue"), std::string());
        more = !next.empty();
    }
    co_return out;
}

asio::awaitable<Result<Json>> Client::create(Json object) {
    const auto impl = impl_;
    const auto place = co_await impl->place(object, true);
    if (!place) co_return std::unexpected(place.error());
    const auto query = Query().add("fieldManager", impl->settings.field_manager);
    co_return co_await impl->send_json(
        {"create " + place->first.describe(), "POST", place->second + query.text(), object.dump()});
}

asio::awaitable<Result<Applied>> Client::apply(Json object, bool force) {
    const auto impl = impl_;
    const auto place = co_await impl->place(object, false);
    if (!place) co_return std::unexpected(place.error());
    const auto& [ref, path] = *place;
    // The answer to an apply does not tell whether it changed anything.
    const auto before = co_await impl->send_json({"get " + ref.describe(), "GET", path});
    if (!before && before.error().kind != ErrorKind::not_found) co_return std::unexpected(before.error());
    const auto query = Query().add("fieldManager", impl->settings.field_manager).add("force", force ? "true" : "false");
    const Call call{"apply " + ref.describe(), "PATCH", path + query.text(), object.dump(),
                    "application/apply-patch+yaml"};
    auto after = co_await impl->send_json(call);
    // With force nobody's fields are in the way: another write came between the server's reading and its writing.
    for (int attempt = 0; force && !after && after.error().code == "kube_conflict" && attempt < conflicts_max;
         ++attempt) {
        co_await impl->pause(attempt, std::nullopt);
        after = co_await impl->send_json(call);
    }
    if (!after) co_return std::unexpected(after.error());
    const bool created = !before;
    const bool changed = created || resource_version_of(*before) != resource_version_of(*after);
    co_return Applied{*std::move(after), created, changed};
}

asio::awaitable<Result<Json>> Client::replace(Json object, std::string subresource) {
    const auto impl = impl_;
    const auto place = co_await impl->place(object, false, subresource);
    if (!place) co_return std::unexpected(place.error());
    const auto query = Query().add("fieldManager", impl->settings.field_manager);
    co_return co_await impl->send_json(
        {fmt::format("{} {}", with_subresource("replace", subresource), place->first.describe()), "PUT",
         place->second + query.text(), object.dump()});
}

asio::awaitable<Result<Json>> Client::patch(ResourceRef ref, PatchType type, Json patch, std::string subresource) {
    const auto impl = impl_;
    const auto path = co_await impl->path(ref, subresource);
    if (!path) co_return std::unexpected(path.error());
    const auto query = Query().add("fieldManager", impl->settings.field_manager);
    co_return co_await impl->send_json(
        {fmt::format("{} {}", with_subresource("patch", subresource), ref.describe()), "PATCH", *path + query.text(),
         patch.dump(), type == PatchType::merge ? "application/merge-patch+json" : "application/json-patch+json"});
}

asio::awaitable<Result<bool>> Client::remove(ResourceRef ref, RemoveOptions options) {
    const auto impl = impl_;
    const auto path = co_await impl->path(ref);
    if (!path) co_return std::unexpected(path.error());
    Json body = {{"apiVersion", "v1"}, {"kind", "DeleteOptions"}};
    if (options.grace_seconds) body["gracePeriodSeconds"] = *options.grace_seconds;
    if (options.propagation) {
        constexpr const char* names[] = {"Background", "Foreground", "Orphan"};
        body["propagationPolicy"] = names[static_cast<int>(*options.propagation)];
    }
    if (options.uid) body["preconditions"]["uid"] = *options.uid;
    if (options.resource_version) body["preconditions"]["resourceVersion"] = *options.resource_version;
    const auto response = co_await impl->send({"delete " + ref.describe(), "DELETE", *path, body.dump()});
    if (response) co_return true;
    if (response.error().kind == ErrorKind::not_found) co_return false;
    co_return std::unexpected(response.error());
}

asio::awaitable<Result<void>> Client::logs(std::string ns, std::string pod, LogOptions options,
                                           milliseconds idle_timeout, std::function<bool(std::string_view)> on_data) {
    const auto impl = impl_;
    const auto ref = resource("Pod", std::move(ns), std::move(pod));
    const auto number = [](std::optional<int> n) { return n ? std::to_string(*n) : std::string(); };
    const auto query = Query()
                           .add("container", options.container)
                           .add("follow", options.follow ? "true" : "")
                           .add("previous", options.previous ? "true" : "")
                           .add("timestamps", options.timestamps ? "true" : "")
                           .add("tailLines", number(options.tail_lines))
                           .add("sinceSeconds", number(options.since_seconds));
    const Call call{"read the log of " + ref.describe(), "GET", *path_of(ref, "log") + query.text()};
    auto request = co_await impl->prepare(call);
    if (!request) co_return std::unexpected(request.error());
    request->headers.set("Accept", "*/*");
    const auto client = impl->http;
    const auto began = std::chrono::steady_clock::now();
    const auto response = co_await client->stream(*std::move(request), idle_timeout, std::move(on_data));
    impl->tell(call, response ? response->status : 0, began);
    if (!response) co_return std::unexpected(transport_error(call.action, response.error()));
    if (!successful(response->status)) co_return std::unexpected(status_error(call.action, *response));
    co_return Result<void>();
}

asio::awaitable<Result<Json>> Client::version() {
    const auto impl = impl_;
    co_return co_await impl->send_json({"reach " + impl->access.server, "GET", "/version"});
}

std::string Permission::describe() const {
    return fmt::format("{} {}{}{}", verb, group.empty() ? "" : group + "/", resource,
                       subresource.empty() ? "" : "/" + subresource);
}

asio::awaitable<Result<bool>> Client::may(Permission permission) {
    const auto impl = impl_;
    const Json review = {{"apiVersion", "authorization.k8s.io/v1"},
                         {"kind", "SelfSubjectAccessReview"},
                         {"spec",
                          {{"resourceAttributes",
                            {{"namespace", permission.ns},
                             {"verb", permission.verb},
                             {"group", permission.group},
                             {"resource", permission.resource},
                             {"subresource", permission.subresource}}}}}};
    const auto answer =
        co_await impl->send_json({"review the permission to " + permission.describe(), "POST",
                                  "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review.dump()});
    if (!answer) co_return std::unexpected(answer.error());
    co_return answer->value(Json::json_pointer("/status/allowed"), false);
}

asio::awaitable<Result<std::string>> Client::served_version(std::string kind) {
    const auto impl = impl_;
    co_return co_await impl->served_version(std::move(kind));
}

asio::awaitable<Result<void>> Client::stream_watch(ResourceRef collection, std::string query, milliseconds idle_timeout,
                                                   std::function<bool(std::string_view)> on_data) {
    const auto impl = impl_;
    collection.name.clear();
    const auto path = co_await impl->path(collection);
    if (!path) co_return std::unexpected(path.error());
    const Call call{"watch " + collection.describe(), "GET", *path + query};
    auto request = co_await impl->prepare(call);
    if (!request) co_return std::unexpected(request.error());
    const auto client = impl->http;
    const auto began = std::chrono::steady_clock::now();
    const auto response = co_await client->stream(*std::move(request), idle_timeout, std::move(on_data));
    impl->tell(call, response ? response->status : 0, began);
    if (!response) co_return std::unexpected(transport_error(call.action, response.error()));
    if (response->status == 401) impl->credentials.refused();
    if (!successful(response->status)) co_return std::unexpected(status_error(call.action, *response));
    co_return Result<void>();
}

}  // namespace toygres::kube
