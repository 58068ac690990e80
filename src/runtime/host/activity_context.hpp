// What an activity and a transactional step get to work with, and the registry of both.
#pragma once
#include "base/asio.hpp"
#include "base/assert.hpp"
#include "base/json.hpp"
#include "runtime/store/store.hpp"

#include <functional>
#include <map>
#include <stop_token>
#include <string>
#include <typeindex>
#include <unordered_map>

namespace toygres::runtime {

// The process's own services (database pool, Kubernetes client, …) by type. They outlive the host.
class Services {
  public:
    template <class S> void provide(S& service) { by_type_[std::type_index(typeid(S))] = &service; }
    template <class S> S& get() const {
        const auto it = by_type_.find(std::type_index(typeid(S)));
        TG_ASSERT(it != by_type_.end());
        return *static_cast<S*>(it->second);
    }

  private:
    std::unordered_map<std::type_index, void*> by_type_;
};

// Who an activity runs for.
struct ActivityIdentity {
    std::string orchestration;
    std::int64_t execution;
    std::int64_t event;  // position of the command
    int attempt;         // from 1
    Json tags{};         // of the orchestration
};

class ActivityContext {
  public:
    ActivityContext(ActivityIdentity identity, const Services& services, Timestamp deadline, Json last_heartbeat,
                    std::function<void(Json)> on_heartbeat)
        : identity_(std::move(identity)),
          services_(services),
          deadline_(deadline),
          last_heartbeat_(std::move(last_heartbeat)),
          on_heartbeat_(std::move(on_heartbeat)) {}

    const std::string& orchestration() const { return identity_.orchestration; }
    std::int64_t execution() const { return identity_.execution; }
    int attempt() const { return identity_.attempt; }
    // The same in every attempt: "<orchestration>/<execution>/<event>".
    std::string idempotency_key() const;
    // Requested when the result is not wanted any more. The coroutine's next await throws then.
    std::stop_token stop_token() const { return stop_.get_token(); }
    Timestamp deadline() const { return deadline_; }
    // Tells that the attempt is alive; the payload is given to the next attempt.
    void heartbeat(Json payload = {}) { on_heartbeat_(std::move(payload)); }
    const Json& last_heartbeat() const { return last_heartbeat_; }
    template <class S> S& service() const { return services_.get<S>(); }

    void request_stop() { stop_.request_stop(); }

  private:
    ActivityIdentity identity_;
    const Services& services_;
    Timestamp deadline_;
    Json last_heartbeat_;
    std::function<void(Json)> on_heartbeat_;
    std::stop_source stop_;
};

class StepContext {
  public:
    StepContext(StepTransaction& transaction, const Services& services, std::string orchestration)
        : transaction_(transaction), services_(services), orchestration_(std::move(orchestration)) {}

    // The open transaction: the step neither commits nor rolls back.
    pg::Connection& sql() const {
        TG_ASSERT(transaction_.sql() != nullptr);
        return *transaction_.sql();
    }
    void on_commit(std::function<void()> action) { transaction_.on_commit(std::move(action)); }
    const std::string& orchestration() const { return orchestration_; }
    template <class S> S& service() const { return services_.get<S>(); }

  private:
    StepTransaction& transaction_;
    const Services& services_;
    std::string orchestration_;
};

// What an activity or a step fails with when this release cannot read its input: it did not run, and the orchestration
// waits for a release that can.
inline constexpr auto unreadable_input = "undecodable_payload";

template <class T> T read_input(const Json& input, std::string_view reader) {
    try {
        return decode<T>(input);
    } catch (const ErrorException& e) {
        raise(ErrorKind::invalid, unreadable_input, "the input of " + std::string(reader) + ": " + e.error().message);
    }
}

using ActivityFunction = std::function<asio::awaitable<Json>(ActivityContext&, Json)>;
using StepFunction = std::function<asio::awaitable<Json>(StepContext&, Json)>;

// What an activity takes of the process that runs it, and so how many of its kind run at once (HostOptions).
enum class ActivityLoad {
    ordinary,
    waits,  // nearly all of its time, for something to happen: any number
    heavy,  // milliseconds of work without a pause: few, since nothing else happens meanwhile
};

struct ActivityType {
    ActivityFunction run;
    ActivityLoad load = ActivityLoad::ordinary;
};

class ActivityRegistry {
  public:
    // A has name, Input, Output and `static asio::awaitable<Output> run(ActivityContext&, Input)`; and, if it is no
    // ordinary one, `static constexpr auto activity_load`.
    template <class A> void add() {
        auto load = ActivityLoad::ordinary;
        if constexpr (requires { A::activity_load; }) load = A::activity_load;
        add_activity(
            std::string(A::name),
            [](ActivityContext& ctx, Json input) { return run_activity<A>(ctx, std::move(input)); }, load);
    }
    // S has name, Input, Output and `static asio::awaitable<Output> run(StepContext&, Input)`.
    template <class S> void add_step() {
        add_step(std::string(S::name), [](StepContext& ctx, Json input) { return run_step<S>(ctx, std::move(input)); });
    }
    void add_activity(std::string name, ActivityFunction run, ActivityLoad load = ActivityLoad::ordinary) {
        TG_ASSERT(activities_.emplace(std::move(name), ActivityType{std::move(run), load}).second);
    }
    void add_step(std::string name, StepFunction run) {
        TG_ASSERT(steps_.emplace(std::move(name), std::move(run)).second);
    }

    // Null when there is none of that name.
    const ActivityType* activity(const std::string& name) const {
        const auto it = activities_.find(name);
        return it == activities_.end() ? nullptr : &it->second;
    }
    const StepFunction* step(const std::string& name) const {
        const auto it = steps_.find(name);
        return it == steps_.end() ? nullptr : &it->second;
    }

  private:
    template <class A> static asio::awaitable<Json> run_activity(ActivityContext& ctx, Json input) {
        co_return encode(co_await A::run(ctx, read_input<typename A::Input>(input, A::name)));
    }
    template <class S> static asio::awaitable<Json> run_step(StepContext& ctx, Json input) {
        co_return encode(co_await S::run(ctx, read_input<typename S::Input>(input, S::name)));
    }

    std::map<std::string, ActivityType> activities_;
    std::map<std::string, StepFunction> steps_;
};

}  // namespace toygres::runtime
