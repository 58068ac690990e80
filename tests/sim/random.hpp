// The dice of a simulation: one stream of numbers per purpose, all from the seed, so that a change in how one is used
// does not change what the others give.
#pragma once
#include "base/crypto.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace toygres::sim {

class Random {
  public:
    Random(std::uint64_t seed, std::string_view stream) : state_(seed * 0x9e3779b97f4a7c15ULL + digest64(stream)) {}

    // SplitMix64 (Steele, Lea, Flood 2014).
    std::uint64_t next() {
        auto z = (state_ += 0x9e3779b97f4a7c15ULL);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
        return z ^ (z >> 31);
    }
    // Both ends included.
    int between(int low, int high) {
        return low + static_cast<int>(next() % static_cast<std::uint64_t>(high - low + 1));
    }
    std::chrono::milliseconds time(int low_ms, int high_ms) {
        return std::chrono::milliseconds(between(low_ms, high_ms));
    }
    bool chance(int per_mille) { return between(1, 1000) <= per_mille; }

  private:
    std::uint64_t state_;
};

}  // namespace toygres::sim
