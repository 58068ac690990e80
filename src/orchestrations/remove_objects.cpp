#include "orchestrations/remove_objects.hpp"

#include "activities/list_objects.hpp"
#include "activities/remove_object.hpp"
#include "orchestrations/policies.hpp"

#include <fmt/format.h>

namespace toygres::orchestrations {

using namespace activities;

runtime::Task<Nothing> remove_objects(runtime::OrchestrationContext& ctx, InstanceRef instance) {
    std::string left;
    for (int round = 0; round < 10; ++round) {
        const auto found = co_await ctx.call<ListObjects>(instance, until_done());
        if (found.objects.empty()) co_return Nothing{};
        for (const auto& object : found.objects) {
            left = object.kind + " " + object.object;
            co_await ctx.call<RemoveObject>({object.kind, instance.ns, object.object}, until_done());
        }
    }
    raise(ErrorKind::conflict, "objects_remain", fmt::format("{} comes back after every removal; who makes it?", left));
}

}  // namespace toygres::orchestrations
