// Entries of an instance's audit trail that no change of state writes by itself, and the trail read as it grows.
#pragma once
#include "cms/instances.hpp"

namespace toygres::cms {

// Adds an entry that changes nothing: "credentials_read".
asio::awaitable<Result<void>> add_event(pg::Connection& db, std::string instance, std::string event_type,
                                        std::string message, Actor actor);

// The same with details, unless the instance has an entry of that type with exactly these details.
asio::awaitable<Result<void>> add_event_once(pg::Connection& db, std::string instance, std::string event_type,
                                             std::string message, Json details, Actor actor);

// An entry of v_timeline with its exact place in time.
struct TimedEntry {
    std::int64_t at_us;  // microseconds since 1970
    TimelineEntry entry;
};
// In order: those at `since_us` or later, at most `limit`, the earliest ones. An entry may turn up late: it is seen
// when its transaction commits, and dated when it was written.
asio::awaitable<Result<std::vector<TimedEntry>>> timeline_since(pg::Connection& db, std::string id,
                                                                std::int64_t since_us, int limit);

}  // namespace toygres::cms
