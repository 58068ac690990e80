// The orchestrations that a process knows, by name and version. Running executions stay in the version that they began
// with; new ones and continue_as_new take the latest.
#pragma once
#include "runtime/core/execution.hpp"

#include <map>

namespace toygres::runtime {

class OrchestrationRegistry {
  public:
    // O has name, version, Input, Output and `static Task<Output> run(OrchestrationContext&, Input)`.
    template <class O> void add() {
        add_type({std::string(O::name), O::version,
                  [](OrchestrationContext& ctx, Json input) { return run_decoded<O>(ctx, std::move(input)); }});
    }
    void add_type(OrchestrationType type);

    // Null when there is none.
    const OrchestrationType* find(std::string_view name, int version) const;
    const OrchestrationType* latest(std::string_view name) const;

  private:
    template <class O> static Task<Json> run_decoded(OrchestrationContext& ctx, Json input) {
        co_return encode(co_await O::run(ctx, ctx.template read_input<typename O::Input>(input)));
    }

    std::map<std::pair<std::string, int>, OrchestrationType, std::less<>> types_;
};

}  // namespace toygres::runtime
