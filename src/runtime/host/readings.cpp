#include "runtime/host/readings.hpp"

namespace toygres::runtime {

Readings::Reading::Reading(std::shared_ptr<State> state) : state_(std::move(state)), number_(state_->next++) {
    state_->under_way.insert(number_);
}

Readings::Reading::~Reading() {
    auto& [under_way, next, later] = *state_;
    under_way.erase(number_);
    while (!later.empty() && (under_way.empty() || *under_way.begin() >= later.front().first)) {
        const auto action = std::move(later.front().second);
        later.pop_front();
        action();
    }
}

void Readings::when_ended(std::function<void()> action) {
    if (state_->under_way.empty())
        action();
    else
        state_->later.emplace_back(state_->next, std::move(action));
}

}  // namespace toygres::runtime
