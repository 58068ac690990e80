// The metrics that every Prometheus client has of its own process, under the names that all of them use.
#pragma once

namespace toygres::metrics {

// Brings process_cpu_seconds_total, process_resident_memory_bytes, process_open_fds, process_max_fds and
// process_start_time_seconds up to date, as far as /proc tells them.
void observe_process();

}  // namespace toygres::metrics
