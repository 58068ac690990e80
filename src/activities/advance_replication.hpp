// Takes an event into the record: the change, its audit, the row of a change of roles and the end of the operation that
// asked for it, in one transaction.
#pragma once
#include "activities/watch_instance.hpp"

namespace toygres::activities {

struct AdvanceReplication {
    static constexpr std::string_view name = "cms_advance_replication";
    struct Input {
        std::string instance;
        WatchInstance::Output seen;
    };
    struct Output {
        bool advanced;      // false: refused, blocked, or the record had changed meanwhile
        std::string state;  // as it is now
    };
    static asio::awaitable<Output> run(runtime::StepContext& ctx, Input in);
};
BOOST_DESCRIBE_STRUCT(AdvanceReplication::Input, (), (instance, seen))
BOOST_DESCRIBE_STRUCT(AdvanceReplication::Output, (), (advanced, state))

}  // namespace toygres::activities
