#include "metrics/metrics.hpp"

#include <prometheus/text_serializer.h>

namespace toygres::metrics {
namespace {

prometheus::Registry& registry() {
    static prometheus::Registry instance{prometheus::Registry::InsertBehavior::Merge};
    return instance;
}

}  // namespace

prometheus::Counter& counter(const std::string& name, const std::string& help, const Labels& labels) {
    return prometheus::BuildCounter().Name(name).Help(help).Register(registry()).Add(labels);
}

prometheus::Gauge& gauge(const std::string& name, const std::string& help, const Labels& labels) {
    return prometheus::BuildGauge().Name(name).Help(help).Register(registry()).Add(labels);
}

prometheus::Histogram& seconds(const std::string& name, const std::string& help, const Labels& labels) {
    static const prometheus::Histogram::BucketBoundaries buckets{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                                                 0.25,   0.5,   1,      2.5,   5,    10,    30};
    return prometheus::BuildHistogram().Name(name).Help(help).Register(registry()).Add(labels, buckets);
}

std::string render() { return prometheus::TextSerializer().Serialize(registry().Collect()); }

}  // namespace toygres::metrics
