// A Kubernetes REST client: objects are JSON, errors are typed (status.hpp lists them), trouble that passes is retried.
#pragma once
#include "base/asio.hpp"
#include "kube/kubeconfig.hpp"
#include "kube/resource.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace toygres::kube {

struct ClientSettings {
    std::string field_manager = "toygres";
    std::chrono::milliseconds request_timeout{30'000};  // one attempt
    // 429, 502, 503, 504 and connections that fail are tried again so many times, after Retry-After or 100 ms doubling.
    int retries_max = 3;
    std::chrono::milliseconds retry_delay_max{5'000};  // also bounds what a server's Retry-After may ask for
    // Told of every attempt: "get", "apply", "watch" …, the status of the answer (0: none came), how long it took.
    std::function<void(std::string_view verb, int status, std::chrono::nanoseconds took)> on_attempt{};
};

struct Selection {
    std::string labels{};  // "toygres.io/instance=mydb-1a2b3c4d"
    std::string fields{};  // "metadata.name=mydb-1-0"
};

struct Listing {
    std::vector<Json> items;  // each with apiVersion and kind
    std::string resource_version;
};

struct Applied {
    Json object;  // as the server has it now
    bool created;
    bool changed;  // created, or its resourceVersion moved
};

enum class PatchType { merge, json };
enum class Propagation { background, foreground, orphan };

struct RemoveOptions {
    std::optional<int> grace_seconds{};
    std::optional<Propagation> propagation{};
    // Preconditions: the object must still be this one, else conflict/"kube_conflict".
    std::optional<std::string> uid{};
    std::optional<std::string> resource_version{};
};

struct LogOptions {
    std::string container{};
    bool follow = false;
    bool previous = false;
    bool timestamps = false;
    std::optional<int> tail_lines{};
    std::optional<int> since_seconds{};
};

// One verb on one kind of resource in a namespace.
struct Permission {
    std::string verb;   // "list"
    std::string group;  // "apps"; empty: the core group
    std::string resource;
    std::string subresource{};
    std::string ns;

    // "list apps/statefulsets", "get pods/log".
    std::string describe() const;
};

class Client {
  public:
    // Throws ErrorException: invalid/"invalid_url", invalid/"bad_tls".
    Client(asio::any_io_executor executor, Access access, ClientSettings settings = {});
    ~Client();
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    const Access& access() const;
    asio::any_io_executor executor() const;

    asio::awaitable<Result<Json>> get(ResourceRef ref, std::string subresource = {});
    // `collection` has no name; with an empty namespace it spans all. Follows `continue` to the end.
    asio::awaitable<Result<Listing>> list(ResourceRef collection, Selection selection = {});
    // Error beyond the usual: conflict/"kube_already_exists".
    asio::awaitable<Result<Json>> create(Json object);
    // Server-side apply. `force` takes fields over from other managers; without it those are conflict/"kube_conflict"
    // with details.causes.
    asio::awaitable<Result<Applied>> apply(Json object, bool force = true);
    // Whole-object replacement; with a resourceVersion in it, optimistic.
    asio::awaitable<Result<Json>> replace(Json object, std::string subresource = {});
    asio::awaitable<Result<Json>> patch(ResourceRef ref, PatchType type, Json patch, std::string subresource = {});
    // Starts the deletion; wait_gone (watch.hpp) tells its end. true: it was there. An absent object is no error.
    asio::awaitable<Result<bool>> remove(ResourceRef ref, RemoveOptions options = {});
    // A pod's log in pieces as they arrive; stop by returning false. `idle_timeout`: longest silence.
    asio::awaitable<Result<void>> logs(std::string ns, std::string pod, LogOptions options,
                                       std::chrono::milliseconds idle_timeout,
                                       std::function<bool(std::string_view)> on_data);
    // {"major", "minor", "gitVersion", …}: also the cheapest way to see whether the server answers.
    asio::awaitable<Result<Json>> version();

    // Whether the cluster lets this client do that (SelfSubjectAccessReview).
    asio::awaitable<Result<bool>> may(Permission permission);

    // The version under which the server has this kind: the release's own, or its fallback on old servers.
    asio::awaitable<Result<std::string>> served_version(std::string kind);

    // The raw stream of a watch, for watch.hpp: `query` is appended to the collection's path. Not retried.
    asio::awaitable<Result<void>> stream_watch(ResourceRef collection, std::string query,
                                               std::chrono::milliseconds idle_timeout,
                                               std::function<bool(std::string_view)> on_data);

    class Impl;  // in client.cpp

  private:
    std::shared_ptr<Impl> impl_;
};

}  // namespace toygres::kube
