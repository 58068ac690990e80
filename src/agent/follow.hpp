// Does a replica get on? A walreceiver that fails is started again for ever, and nothing ends: only the lack of
// progress tells.
#pragma once
#include <chrono>
#include <optional>
#include <string>

namespace toygres::agent {

class FollowWatch {
  public:
    using Time = std::chrono::steady_clock::time_point;

    // One look. `stream` names the connection that streams, and is empty without one: a walreceiver that fails again
    // and again is another one each time. `applied` is how far the data has come.
    void see(const std::string& stream, const std::string& applied, Time now);
    // A look in which nothing could be seen, or a new beginning.
    void forget() { progress_at_.reset(); }

    // For how long no look has found progress.
    std::chrono::milliseconds stuck_for(Time now) const;
    // For how long every look has found the same stream.
    std::chrono::milliseconds streams_for(Time now) const;

  private:
    std::string stream_;
    Time stream_since_;
    std::string applied_;
    std::optional<Time> progress_at_;
};

}  // namespace toygres::agent
