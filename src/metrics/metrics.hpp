// Prometheus metrics of the process. Names are stable and end in their unit; labels have few values.
#pragma once
#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <map>
#include <string>

namespace toygres::metrics {

using Labels = std::map<std::string, std::string>;

prometheus::Counter& counter(const std::string& name, const std::string& help, const Labels& labels = {});
prometheus::Gauge& gauge(const std::string& name, const std::string& help, const Labels& labels = {});
// Buckets from 0.5 ms to 30 s; the value is seconds.
prometheus::Histogram& seconds(const std::string& name, const std::string& help, const Labels& labels = {});

// All of them in the Prometheus text format.
std::string render();

}  // namespace toygres::metrics
