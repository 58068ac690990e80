// Looks at an instance, several times a second for as long as it lives, whether what must hold at every moment does.
#pragma once
#include "replicated.hpp"

#include <map>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>

namespace toygres::test {

class Sampler {
  public:
    explicit Sampler(const Replicated& db);
    ~Sampler();
    Sampler(const Sampler&) = delete;
    Sampler& operator=(const Sampler&) = delete;

    // Looks at v_invariants, and all that saw something.
    int looks() const;
    int all_looks() const;
    // In words; empty while all is well: what v_invariants says, a server that does not wait for the standby that the
    // record says it waits for while failover_safe, two pods behind the Service.
    std::string broken() const;

  private:
    void sample(const std::stop_token& stop);
    void look_at_record();
    void look_at_server();
    void look_at_labels();
    void note(const std::string& what);

    const Replicated& db_;
    std::map<std::string, std::string> conninfos_;  // by member; of pods that may be gone since
    mutable std::mutex mutex_;
    int looks_ = 0;
    int all_looks_ = 0;
    std::string broken_;
    std::jthread thread_;
};

}  // namespace toygres::test
