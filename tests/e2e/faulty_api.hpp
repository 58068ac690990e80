// A Kubernetes API that fails on command: stands between a server and the cluster's own API and passes on what it is
// asked, unless it is told otherwise.
#pragma once
#include "base/json.hpp"
#include "http/client.hpp"
#include "http/server.hpp"

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace toygres::test {

class FaultyApi {
  public:
    enum class Mood {
        well,
        errors,      // every request fails: 500, 503, 429 and 504 in turn
        every_other  // and every other one is passed on
    };

    // `directory`: of a Stack, where the kubeconfig for it is put.
    explicit FaultyApi(const std::string& directory);
    ~FaultyApi();
    FaultyApi(const FaultyApi&) = delete;
    FaultyApi& operator=(const FaultyApi&) = delete;

    const std::string& kubeconfig() const { return kubeconfig_; }
    // Watches that are open end when it is not `well`.
    void be(Mood mood) { mood_ = mood; }
    // Requests are taken and not answered until this is called again with false.
    void be_silent(bool silent) { silent_ = silent; }
    // Requests of that method whose target contains `part` are answered so, until admit_all(). What the cluster does by
    // itself, such as making pods, does not come by here.
    void refuse(const std::string& method, const std::string& part, int status, const std::string& reason,
                const std::string& message, http::Headers headers = {});
    void admit_all();
    int refused() const { return refused_; }
    // Every watch ends with the event that its resource version is too old, and so do new ones until it is undone.
    void expire_watches(bool expire) { expire_watches_ = expire; }
    int expired() const { return expired_; }
    // The pod as lists and reads show it from now on; an empty function: as it is.
    void show_pods(std::function<void(Json& pod)> as);
    // Requests that were passed on, as "METHOD target".
    std::vector<std::string> asked(const std::string& beginning) const;
    int passed_on() const { return passed_on_; }
    int failed() const { return failed_; }
    int unanswered() const { return unanswered_; }

  private:
    asio::awaitable<void> handle(http::Exchange& exchange);
    asio::awaitable<void> pass_on(http::Exchange& exchange);
    asio::awaitable<void> pass_on_watch(http::Exchange& exchange, http::Request request);
    asio::awaitable<void> fail(http::Exchange& exchange);
    bool fails();
    std::optional<http::Response> refusal_of(const http::Request& request);
    http::Response as_shown(const http::Request& request, http::Response answer);

    asio::io_context io_;
    std::string token_;
    std::unique_ptr<http::Client> upstream_;
    std::unique_ptr<http::Server> server_;
    std::string kubeconfig_;
    std::atomic<Mood> mood_ = Mood::well;
    std::atomic<bool> silent_ = false;
    std::atomic<int> passed_on_ = 0;
    std::atomic<int> failed_ = 0;
    std::atomic<int> unanswered_ = 0;
    std::atomic<int> refused_ = 0;
    std::atomic<int> expired_ = 0;
    std::atomic<bool> expire_watches_ = false;
    struct Rule {
        std::string method;
        std::string part;
        http::Response answer;
    };
    mutable std::mutex mutex_;
    std::vector<Rule> rules_;
    std::function<void(Json&)> pods_as_;
    std::vector<std::string> asked_;
    std::thread thread_;
};

}  // namespace toygres::test
