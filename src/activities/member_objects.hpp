// The members' objects in Kubernetes as the record wants them: made for those that are new or lost theirs (a lost
// volume comes back empty, to be cloned into), deleted for those that left.
#pragma once
#include "activities/instance_services.hpp"
#include "activities/member_troubles.hpp"
#include "ha/model.hpp"

#include <chrono>
#include <string>

namespace toygres::activities {

class MemberObjects {
  public:
    MemberObjects(InstanceServices& services, kube::InstanceSpec spec) : services_(services), spec_(std::move(spec)) {}

    // Failures are logged and noted in `troubles`, and tried again at a later call. Notes in `seen` which of the
    // removed members Kubernetes has nothing of any more.
    asio::awaitable<void> keep(const ha::Record& record, ha::Observation& seen, MemberTroubles& troubles);

  private:
    asio::awaitable<void> make(const ha::Record& record, const ha::Observation& seen, MemberTroubles& troubles);
    asio::awaitable<void> make_one(const ha::Record& record, const std::string& name);
    asio::awaitable<bool> is_complete(const std::string& member);
    asio::awaitable<bool> erase(const std::string& member);
    void note_failure(const Error& error) const;

    InstanceServices& services_;
    kube::InstanceSpec spec_;
    std::chrono::steady_clock::time_point made_at_{};
    std::chrono::steady_clock::time_point erased_at_{};
};

}  // namespace toygres::activities
