#include "storm.hpp"

#include <array>

namespace toygres::sim {

std::vector<Blow> draw_storm(Random random, int slots) {
    static constexpr std::array troubles{Trouble::kill,          Trouble::kill,       Trouble::kill,
                                         Trouble::freeze,        Trouble::freeze,     Trouble::stop,
                                         Trouble::stop,          Trouble::step_clock, Trouble::break_session,
                                         Trouble::database_away, Trouble::read_only,  Trouble::slow};
    std::vector<Blow> out;
    const int count = random.between(1, 10);
    for (int i = 0; i < count; ++i) {
        Blow blow{.at = random.time(100, 40'000),
                  .trouble = troubles[static_cast<std::size_t>(random.between(0, troubles.size() - 1))],
                  .slot = random.between(0, slots - 1),
                  .lasts = random.time(50, 12'000),
                  .handlers = random.between(0, 150)};
        if (blow.trouble == Trouble::freeze) blow.lasts = random.time(500, 20'000);
        if (blow.trouble == Trouble::step_clock) blow.lasts = random.time(-30'000, 30'000);
        out.push_back(blow);
    }
    return out;
}

}  // namespace toygres::sim
