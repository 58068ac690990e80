// Why the members of one instance that are away do not come back, as Kubernetes tells it. Asked beside the looks of the
// monitor, which never wait for it. Lost with the process.
#pragma once
#include "activities/instance_ref.hpp"
#include "ha/model.hpp"
#include "kube/client.hpp"

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>

namespace toygres::activities {

class MemberTroubles {
  public:
    MemberTroubles(kube::Client& kube, InstanceRef instance);

    // Adds what is known to the views of members that do not serve, and has Kubernetes asked about them again.
    void see(const ha::Record& record, ha::Observation& seen);
    // What its objects were refused for.
    void note(const std::string& member, ha::Trouble trouble);
    // It is not what the orchestration's operations were last told, or that was a while ago; it is now.
    bool is_news(const std::string& orchestration, const std::optional<ha::Trouble>& trouble);

  private:
    using Clock = std::chrono::steady_clock;
    struct Known {
        std::optional<ha::Trouble> trouble;
        Clock::time_point since{};    // it is in trouble, of this kind or that
        Clock::time_point told_at{};  // last, by Kubernetes
        Clock::time_point asked_at{};
        bool asking = false;
        void note(ha::Trouble told);
        void forget_old();
    };
    using All = std::map<std::string, Known>;  // by member
    static asio::awaitable<void> ask(kube::Client& kube, InstanceRef instance, std::string member,
                                     std::shared_ptr<All> all);

    kube::Client& kube_;
    InstanceRef instance_;
    std::shared_ptr<All> all_ = std::make_shared<All>();
    struct Told {
        std::optional<ha::Trouble> trouble;
        Clock::time_point at;
    };
    std::map<std::string, Told> told_;  // by orchestration
};

}  // namespace toygres::activities
