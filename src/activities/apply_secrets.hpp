// Creates the Secrets of an instance: passwords (the user's own, if one was given) and certificates. Idempotent: a
// Secret that exists is kept, its values may be in use.
#pragma once
#include "activities/instance_ref.hpp"
#include "base/json.hpp"
#include "base/secret.hpp"
#include "kube/manifests.hpp"
#include "runtime/host/activity_context.hpp"

#include <optional>
#include <string>
#include <vector>

namespace toygres::activities {

class InstanceServices;

struct ApplySecrets {
    static constexpr std::string_view name = "apply_secrets";
    static constexpr auto activity_load = runtime::ActivityLoad::heavy;
    using Input = InstanceShape;
    struct Output {
        int created;
    };
    static asio::awaitable<Output> run(runtime::ActivityContext& ctx, Input in);
};
BOOST_DESCRIBE_STRUCT(ApplySecrets::Output, (), (created))

// Makes those of the Secrets that are missing, with this password or a new one: how many.
asio::awaitable<int> create_secrets(InstanceServices& services, kube::InstanceSpec spec,
                                    std::optional<Secret> password);

}  // namespace toygres::activities
