#include "weather.hpp"

#include <array>

namespace toygres::sim {

void Weather::worsen() {
    stormy_ = true;
    loss_ = std::array{0, 10, 30, 80}[static_cast<std::size_t>(random_.between(0, 3))];
    notice_loss_ = std::array{0, 100, 500}[static_cast<std::size_t>(random_.between(0, 2))];
    delay_max_ms_ = std::array{4, 20, 100}[static_cast<std::size_t>(random_.between(0, 2))];
}

void Weather::calm() {
    stormy_ = away = read_only = slow = false;
    delay_max_ms_ = 4;
}

Fate Weather::draw() {
    const bool tarries = slow || (stormy_ && random_.chance(20));
    const auto leg = [&] { return tarries ? random_.time(1, 3000) : random_.time(0, delay_max_ms_); };
    Fate out{leg(), leg(), Verdict::answered};
    if (stormy_ && random_.chance(loss_))
        out.verdict = std::array{Verdict::refused, Verdict::reply_lost,
                                 Verdict::done_late}[static_cast<std::size_t>(random_.between(0, 2))];
    return out;
}

}  // namespace toygres::sim
