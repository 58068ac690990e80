#include "agent/follow.hpp"

namespace toygres::agent {
namespace {

std::chrono::milliseconds between(FollowWatch::Time then, FollowWatch::Time now) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(now - then);
}

}  // namespace

void FollowWatch::see(const std::string& stream, const std::string& applied, Time now) {
    const bool streams = !stream.empty() && stream == stream_;
    if (!streams) stream_since_ = now;
    if (!progress_at_ || streams || applied != applied_) progress_at_ = now;
    stream_ = stream;
    applied_ = applied;
}

std::chrono::milliseconds FollowWatch::stuck_for(Time now) const {
    return progress_at_ ? between(*progress_at_, now) : std::chrono::milliseconds(0);
}

std::chrono::milliseconds FollowWatch::streams_for(Time now) const {
    return progress_at_ && !stream_.empty() ? between(stream_since_, now) : std::chrono::milliseconds(0);
}

}  // namespace toygres::agent
