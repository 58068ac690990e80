// After a death: what the dead owner ran may be what killed it. For a while its successor notes what it is about to run
// before it does. What is noted when an owner dies is suspected, and runs alone from then on; what owners die of again
// and again while they run nothing else, always in the same turn, is quarantined until an operator resumes it. Suspects
// take their turns in no order, so that deaths which have another cause do not meet the same one each time. While all
// is well none of this costs anything.
#include "base/log.hpp"
#include "runtime/host/host.hpp"

#include <fmt/format.h>

namespace toygres::runtime {

using namespace std::chrono_literals;

namespace {

constexpr auto quarantine_code = "quarantined";
constexpr std::size_t trial_size = 256;

}  // namespace

bool Host::quarantined(const Live& live) {
    return live.row.status == Status::stuck && live.row.error.is_object() &&
           live.row.error.value("code", "") == quarantine_code;
}

bool Host::careful() const { return clock_.uptime() < careful_until_; }

void Host::took_over_from(std::set<std::int64_t> dead) {
    if (dead.empty()) return;
    dead_.merge(dead);
    careful_until_ = clock_.uptime() + options_.careful;
    trial_wake_.wake();
    if (std::exchange(holding_trials_, true)) return;
    spawn(hold_trials());
}

asio::awaitable<void> Host::hold_trials() {
    bool noted = false;
    while (!stopping_) {
        if (!dead_.empty()) {
            co_await count_deaths();
        } else if (auto lives = next_on_trial(); !lives.empty()) {
            noted = true;
            co_await try_together(std::move(lives));
        } else if (noted) {
            noted = false;
            co_await note_trial({});
        } else if (careful()) {
            co_await trial_wake_.wait(std::min(careful_until_ - clock_.uptime(), 1000ms));
        } else {
            break;
        }
    }
    std::vector<std::string> lived;
    for (const auto& [id, deaths] : suspects_)
        if (owned_.contains(shard_of(id))) lived.push_back(id);
    suspects_.clear();
    holding_trials_ = false;
    if (!stopping_ && !lived.empty()) co_await acquit(std::move(lived));
}

asio::awaitable<void> Host::count_deaths() {
    const auto dead = dead_;
    const auto found = co_await store_.suspects({dead.begin(), dead.end()});
    if (!found) {
        if (found.error().kind != ErrorKind::transient)
            log::error("trials.unreadable", {{"code", found.error().code}, {"message", found.error().message}});
        Pause pause(io_.get_executor(), clock_);
        co_await pause.wait(200ms);
        co_return;
    }
    for (const auto worker : dead) dead_.erase(worker);
    for (const auto& suspect : *found) {
        suspects_[suspect.orchestration] = suspect.deaths;
        log::warning("orchestration.suspected", {{"orchestration", suspect.orchestration}, {"deaths", suspect.deaths}});
    }
}

// One suspect, or many that are none.
std::vector<LivePtr> Host::next_on_trial() {
    std::vector<LivePtr> out;
    while (!on_trial_.empty() && out.size() < trial_size) {
        const bool suspect = suspects_.contains(on_trial_.front()->row.id);
        if (suspect && !out.empty()) break;
        if (suspect) {
            auto& other = on_trial_[clock_.random() % on_trial_.size()];
            if (suspects_.contains(other->row.id)) std::swap(on_trial_.front(), other);
        }
        const auto live = std::move(on_trial_.front());
        on_trial_.pop_front();
        if (live->dropped || (suspect && quarantine(live))) continue;
        out.push_back(live);
        if (suspect) break;
    }
    return out;
}

// Whether it has killed often enough to be left alone.
bool Host::quarantine(const LivePtr& live) {
    const auto deaths = suspects_.at(live->row.id);
    if (deaths < options_.deaths_max || quarantined(*live)) return false;
    live->state = LiveState::idle;
    park(live, quarantine_code,
         fmt::format("{} processes died while they ran it and nothing else; it runs again when it is resumed", deaths));
    return true;
}

// Runs a turn of each, once that is noted, and waits until their code has run.
asio::awaitable<void> Host::try_together(std::vector<LivePtr> lives) {
    std::vector<std::string> ids;
    for (const auto& live : lives) ids.push_back(live->row.id);
    co_await note_trial(std::move(ids));
    if (stopping_) co_return;
    for (const auto& live : lives) run_turn(live);
    const auto loads = [](const LivePtr& live) { return !live->dropped && live->state == LiveState::loading; };
    while (!stopping_ && std::ranges::any_of(lives, loads)) co_await trial_wake_.wait(100ms);
}

asio::awaitable<void> Host::note_trial(std::vector<std::string> ids) {
    Pause pause(io_.get_executor(), clock_);
    while (!stopping_ && !co_await store_.put_on_trial(worker_, ids)) co_await pause.wait(200ms);
}

asio::awaitable<void> Host::acquit(std::vector<std::string> ids) {
    Pause pause(io_.get_executor(), clock_);
    while (!stopping_ && !co_await store_.acquit(ids)) co_await pause.wait(200ms);
}

}  // namespace toygres::runtime
