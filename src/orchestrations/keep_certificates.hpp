// One for the whole CMS: has the certificates of all instances looked at once an hour, and at once when a server starts
// or somebody signals "wake".
#pragma once
#include "runtime/core/orchestration_context.hpp"

namespace toygres::orchestrations {

struct KeepCertificates {
    static constexpr std::string_view name = "keep_certificates";
    static constexpr std::string_view id = "certificates";
    static constexpr int version = 1;
    struct Input {
        std::int64_t interval_ms;
        std::int64_t lifetime_s;  // of the certificates that are made
        std::int64_t margin_s;    // left when they are renewed; at most a third of the whole
    };
    using Output = Nothing;
    static runtime::Task<Output> run(runtime::OrchestrationContext& ctx, Input in);
};
BOOST_DESCRIBE_STRUCT(KeepCertificates::Input, (), (interval_ms, lifetime_s, margin_s))

}  // namespace toygres::orchestrations
