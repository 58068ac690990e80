// Names that take their time: from now on a member's pod asks a name server of the test's own, instead of reading the
// cluster's list.
#pragma once
#include "replicated.hpp"

#include <atomic>
#include <chrono>
#include <map>
#include <string>
#include <thread>

namespace toygres::test {

class SlowResolver {
  public:
    // Listens on a loopback address of its own. Needs the right to mount.
    SlowResolver(const Replicated& db, const std::string& member, std::chrono::milliseconds delay);
    // The pod reads the list again.
    ~SlowResolver();
    SlowResolver(const SlowResolver&) = delete;
    SlowResolver& operator=(const SlowResolver&) = delete;

    int answers() const { return answers_; }

  private:
    void serve(const std::stop_token& stop);
    std::string answer(const std::string& question) const;

    int pid_;  // of the pod's agent, in whose mount namespace the files are
    std::chrono::milliseconds delay_;
    std::map<std::string, std::string> addresses_;  // by name
    int socket_ = -1;
    std::atomic<int> answers_ = 0;
    std::jthread thread_;
};

}  // namespace toygres::test
