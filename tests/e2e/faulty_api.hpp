// A Kubernetes API that fails on command: stands between a server and the cluster's own API and passes on what it is
// asked, unless it is told otherwise.
#pragma once
#include "http/client.hpp"
#include "http/server.hpp"

#include <atomic>
#include <memory>
#include <string>
#include <thread>

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
    int passed_on() const { return passed_on_; }
    int failed() const { return failed_; }
    int unanswered() const { return unanswered_; }

  private:
    asio::awaitable<void> handle(http::Exchange& exchange);
    asio::awaitable<void> pass_on(http::Exchange& exchange);
    asio::awaitable<void> pass_on_watch(http::Exchange& exchange, http::Request request);
    asio::awaitable<void> fail(http::Exchange& exchange);
    bool fails();

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
    std::thread thread_;
};

}  // namespace toygres::test
