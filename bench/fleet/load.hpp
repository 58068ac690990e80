// What everybody has used so far, and what the members have seen: two of them make the figures of a time.
#pragma once
#include "fleet/sight.hpp"

#include <cstdint>
#include <string>
#include <sys/types.h>
#include <vector>

namespace toygres::bench {

struct Load {
    double server_cpu_s = 0;
    double cms_cpu_s = 0;
    double world_cpu_s = 0;
    double memory_mb = 0;  // of the server now, not a difference
    double checks = 0;
    double asks = 0;
    double words = 0;  // told by agents without being asked
    double agent_sessions = 0;
    double postgres_sessions = 0;
    double business_rows = 0;  // inserted, updated or deleted in the CMS
    double runtime_rows = 0;
    std::vector<std::int64_t> late;  // checks by milliseconds

    double late_ms(double fraction) const;
};
Load operator-(Load after, const Load& before);

// Who is watched.
struct Watched {
    std::string conninfo;  // of the CMS
    pid_t server;
    pid_t cms;
    pid_t world;
};
Load load_of(const Watched& watched, const Sight& sight);

struct States {
    std::int64_t running;
    std::int64_t failed;
};
States states_of(const std::string& conninfo);

}  // namespace toygres::bench
