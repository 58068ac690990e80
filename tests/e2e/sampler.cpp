#include "sampler.hpp"

#include "ha/topology.hpp"

#include <fmt/format.h>

namespace toygres::test {

using namespace std::chrono_literals;

namespace {

constexpr auto pause = 150ms;
constexpr std::size_t broken_max = 4'000;  // what is broken stays so: the first lines tell

}  // namespace

Sampler::Sampler(const Replicated& db) : db_(db) {
    for (const auto& member : db.record().at("members").get<std::vector<std::string>>())
        conninfos_[member] = db.conninfo_of(member) + " connect_timeout=2";
    thread_ = std::jthread([this](const std::stop_token& stop) { sample(stop); });
}

Sampler::~Sampler() = default;

int Sampler::looks() const {
    const std::scoped_lock lock(mutex_);
    return looks_;
}

int Sampler::all_looks() const {
    const std::scoped_lock lock(mutex_);
    return all_looks_;
}

std::string Sampler::broken() const {
    const std::scoped_lock lock(mutex_);
    return broken_;
}

void Sampler::note(const std::string& what) {
    const std::scoped_lock lock(mutex_);
    if (broken_.size() < broken_max) broken_ += what;
}

void Sampler::sample(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
        // Whatever is away cannot be looked at.
        for (const auto look : {&Sampler::look_at_record, &Sampler::look_at_server, &Sampler::look_at_labels}) {
            try {
                (this->*look)();
            } catch (const std::exception&) {
                continue;
            }
        }
        std::this_thread::sleep_for(pause);
    }
}

void Sampler::look_at_record() {
    note(db_.stack().broken_invariants());
    const std::scoped_lock lock(mutex_);
    ++looks_;
    ++all_looks_;
}

void Sampler::look_at_server() {
    const auto before = db_.record();
    if (before.at("failover_safe") != true || before.at("state") != "synced") return;
    const auto primary = before.at("primary").get<std::string>();
    pqxx::connection connection(conninfos_.at(primary));
    const auto rows = pqxx::nontransaction(connection)
                          .exec("SELECT current_setting('synchronous_standby_names'), pg_is_in_recovery()");
    // What changed meanwhile proves nothing.
    if (db_.record() != before) return;
    const auto wanted = ha::synchronous_names(before.at("armed").get<std::vector<std::string>>(),
                                              before.at("epoch").get<std::int64_t>());
    if (!rows[0][1].as<bool>() && rows[0][0].as<std::string>() != wanted)
        note(fmt::format("{} waits for '{}' while the record says failover_safe and '{}'\n", primary,
                         rows[0][0].as<std::string>(), wanted));
    const std::scoped_lock lock(mutex_);
    ++all_looks_;
}

void Sampler::look_at_labels() {
    if (const auto primaries = db_.members_labelled("primary"); primaries.size() > 1)
        note(fmt::format("both {} and {} stand behind the Service\n", primaries[0], primaries[1]));
    const std::scoped_lock lock(mutex_);
    ++all_looks_;
}

}  // namespace toygres::test
