#include "activities/member_troubles.hpp"

#include "kube/trouble.hpp"

namespace toygres::activities {
namespace {

using namespace std::chrono_literals;

constexpr std::int64_t down_min_ms = 1'000;  // of a member, before Kubernetes is asked about it
constexpr auto ask_interval = 1s;
constexpr auto tell_interval = 5s;
// A container that crashes runs for a moment now and then: that is not the end of its trouble.
constexpr auto kept_for = 10s;

}  // namespace

MemberTroubles::MemberTroubles(kube::Client& kube, InstanceRef instance)
    : kube_(kube), instance_(std::move(instance)) {}

void MemberTroubles::Known::note(ha::Trouble told) {
    told_at = Clock::now();
    if (!trouble) since = told_at;
    trouble = std::move(told);
}

void MemberTroubles::Known::forget_old() {
    if (trouble && Clock::now() - told_at > kept_for) trouble.reset();
}

void MemberTroubles::note(const std::string& member, ha::Trouble trouble) { (*all_)[member].note(std::move(trouble)); }

asio::awaitable<void> MemberTroubles::ask(kube::Client& kube, InstanceRef instance, std::string member,
                                          std::shared_ptr<All> all) {
    auto told = co_await kube::member_trouble(kube, instance.ns, instance.k8s_name, ha::number_of(member));
    const auto known = all->find(member);
    if (known == all->end()) co_return;  // it serves meanwhile
    known->second.asking = false;
    known->second.asked_at = Clock::now();
    if (told) known->second.note(*std::move(told));
}

void MemberTroubles::see(const ha::Record& record, ha::Observation& seen) {
    for (const auto& name : record.members) {
        const auto view = seen.find(name);
        if (view == seen.end()) continue;
        if (view->second.down_ms == 0) {
            all_->erase(name);
            continue;
        }
        if (view->second.down_ms < down_min_ms && !all_->contains(name)) continue;
        auto& known = (*all_)[name];
        known.forget_old();
        if (known.trouble) {
            view->second.trouble = known.trouble;
            view->second.trouble_ms =
                std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - known.since).count();
        }
        if (known.asking || Clock::now() - known.asked_at < ask_interval) continue;
        known.asking = true;
        asio::co_spawn(kube_.executor(), ask(kube_, instance_, name, all_), asio::detached);
    }
}

bool MemberTroubles::is_news(const std::string& orchestration, const std::optional<ha::Trouble>& trouble) {
    const auto told = told_.find(orchestration);
    // Operations that came since have heard nothing of it.
    if (told != told_.end() && told->second.trouble == trouble &&
        (!trouble || Clock::now() - told->second.at < tell_interval))
        return false;
    told_[orchestration] = {trouble, Clock::now()};
    return true;
}

}  // namespace toygres::activities
