#include "api/rate_limit.hpp"

#include <algorithm>

namespace toygres::api {

void RateLimit::fill(Bucket& bucket, Time now) const {
    const std::chrono::duration<double> passed = now - bucket.filled_at;
    bucket.calls = std::min<double>(rate_.burst, bucket.calls + passed.count() * rate_.per_second);
    bucket.filled_at = now;
}

// When none is full, the fullest goes: it has the least to forget.
void RateLimit::make_room(Time now) {
    if (buckets_.size() < tokens_max) return;
    for (auto& [token, bucket] : buckets_) fill(bucket, now);
    std::erase_if(buckets_, [&](const auto& entry) { return entry.second.calls >= rate_.burst; });
    if (buckets_.size() < tokens_max) return;
    buckets_.erase(std::ranges::max_element(buckets_, {}, [](const auto& entry) { return entry.second.calls; }));
}

RateLimit::Bucket& RateLimit::bucket_of(const std::string& token, Time now) {
    if (!buckets_.contains(token)) make_room(now);
    auto& bucket = buckets_.try_emplace(token, Bucket{static_cast<double>(rate_.burst), now}).first->second;
    fill(bucket, now);
    return bucket;
}

std::optional<std::chrono::seconds> RateLimit::take(const std::string& token, Time now) {
    if (rate_.per_second == 0) return std::nullopt;
    auto& bucket = bucket_of(token, now);
    if (bucket.calls >= 1) {
        bucket.calls -= 1;
        return std::nullopt;
    }
    const std::chrono::duration<double> wait((1 - bucket.calls) / rate_.per_second);
    return std::max(std::chrono::ceil<std::chrono::seconds>(wait), std::chrono::seconds(1));
}

void RateLimit::owe(const std::string& token, std::size_t calls, Time now) {
    if (rate_.per_second > 0) bucket_of(token, now).calls -= static_cast<double>(calls);
}

}  // namespace toygres::api
