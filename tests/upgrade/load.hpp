// What people and programs ask of the servers all the time while a test does something to these: reads, changes of a
// schedule, instances that come and go.
#pragma once
#include "e2e/stack.hpp"

#include <atomic>
#include <mutex>
#include <shared_mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

namespace toygres::test {

class Load {
  public:
    // Begins with no server. `stack` outlives it.
    explicit Load(const Stack& stack);
    ~Load();
    Load(const Load&) = delete;
    Load& operator=(const Load&) = delete;

    // Behind a load balancer: a server is called from now on, or not any more, once it has answered what it was asked.
    void add(const std::string& url);
    void remove(const std::string& url);

    // Answered by that server since it was added.
    int answers_of(const std::string& url) const;
    // Instances that were created and deleted.
    int cycles() const { return cycles_; }
    // Ends it, once the instance under way is gone.
    void finish();
    // Calls that were not answered or with a 5xx, operations that did not succeed, in words.
    std::string faults() const;

  private:
    struct Server {
        std::string url;
        std::atomic<int> answers = 0;
    };
    // A call at one of the servers, in turn. Status 0: there is none.
    http::Response call(const std::string& method, const std::string& target, const Json& body = nullptr);
    void read(const std::stop_token& stop);
    void change(const std::stop_token& stop);
    void cycle(const std::stop_token& stop);
    bool succeeds(const std::string& what, const http::Response& accepted);
    void note(std::string fault);

    const Stack& stack_;
    mutable std::shared_mutex servers_mutex_;  // shared while a call is under way
    std::vector<std::unique_ptr<Server>> servers_;
    std::atomic<std::size_t> turn_ = 0;
    std::atomic<int> cycles_ = 0;
    mutable std::mutex faults_mutex_;
    std::string faults_;
    std::vector<std::jthread> threads_;
};

}  // namespace toygres::test
