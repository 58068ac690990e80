// What happened in a run, line by line: its digest tells whether two runs were the same, its end is printed on failure.
#pragma once
#include "timeline.hpp"

#include <fmt/format.h>

#include <deque>
#include <string>

namespace toygres::sim {

class Trace {
  public:
    explicit Trace(const Timeline& timeline, std::size_t kept) : timeline_(timeline), kept_(kept) {}

    void add(std::string_view who, std::string_view what) {
        auto line = fmt::format("{:>9} {} {}", timeline_.elapsed().count(), who, what);
        for (const auto c : line) digest_ = (digest_ ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
        ++count_;
        lines_.push_back(std::move(line));
        if (lines_.size() > kept_) lines_.pop_front();
    }
    std::uint64_t digest() const { return digest_; }
    std::size_t count() const { return count_; }
    const std::deque<std::string>& last() const { return lines_; }

  private:
    const Timeline& timeline_;
    std::size_t kept_;
    std::uint64_t digest_ = 0xcbf29ce484222325ULL;
    std::size_t count_ = 0;
    std::deque<std::string> lines_;
};

}  // namespace toygres::sim
