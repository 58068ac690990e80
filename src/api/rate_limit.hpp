// How many calls a token may make: a bucket of its own, filled at a steady rate. Without a clock of its own.
#pragma once
#include <chrono>
#include <optional>
#include <string>
#include <unordered_map>

namespace toygres::api {

struct Rate {
    int per_second = 0;  // 0: as many as it likes
    int burst = 1;       // what a bucket holds
};

class RateLimit {
  public:
    using Time = std::chrono::steady_clock::time_point;

    static constexpr std::size_t tokens_max = 4096;  // whose buckets are kept; those that are full are dropped first

    explicit RateLimit(Rate rate) : rate_(rate) {}

    // Takes one call out of the token's bucket. nullopt: it may be made; else how long until one may.
    std::optional<std::chrono::seconds> take(const std::string& token, Time now);
    // A call that may be made turned out to be worth so many more: those that come next wait for them.
    void owe(const std::string& token, std::size_t calls, Time now);
    std::size_t size() const { return buckets_.size(); }

  private:
    struct Bucket {
        double calls;  // below zero: owed
        Time filled_at;
    };
    Bucket& bucket_of(const std::string& token, Time now);
    void fill(Bucket& bucket, Time now) const;
    void make_room(Time now);

    Rate rate_;
    std::unordered_map<std::string, Bucket> buckets_;
};

}  // namespace toygres::api
