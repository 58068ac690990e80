// A time, a duration, a position in the log, a quantity of Kubernetes: whatever it happens to be.
#include "base/time.hpp"
#include "fuzz/fuzz.hpp"
#include "ha/lsn.hpp"
#include "kube/placement.hpp"

using namespace toygres;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto text = fuzz::text_of(data, size);
    if (const auto time = parse_rfc3339(text)) TG_ASSERT(parse_rfc3339(format_rfc3339(*time)) == time);
    if (const auto duration = parse_duration(text)) TG_ASSERT(duration->count() >= 0);
    if (const auto lsn = ha::parse_lsn(text)) TG_ASSERT(ha::parse_lsn(ha::to_string(*lsn)) == lsn);
    if (const auto quantity = kube::quantity_milli(text)) TG_ASSERT(*quantity >= 0 && *quantity <= 1e21);
    return 0;
}
