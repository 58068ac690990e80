#include "sim_store.hpp"

#include "runtime/core/planted.hpp"

namespace toygres::sim {
namespace {

Error unavailable(std::string words) { return {ErrorKind::transient, "database_unavailable", std::move(words)}; }

}  // namespace

template <class T> asio::awaitable<Result<T>> SimStore::call(std::string what, Access access, Action<T> action) {
    return call<T>(std::move(what), access, std::move(action), db_.weather.draw());
}

template <class T>
asio::awaitable<Result<T>> SimStore::call(std::string what, Access access, Action<T> action, Fate fate) {
    const auto exchange = std::make_shared<Exchange<T>>(executor_);
    const auto reply = [this, exchange, delay = fate.reply](Result<T> answer) {
        db_.timeline.after(delay, [exchange, answer = std::move(answer)]() mutable {
            exchange->answer.emplace(std::move(answer));
            exchange->answered.notify();
        });
    };
    db_.timeline.after(fate.request, [this, reply, fate, what = std::move(what), access, action = std::move(action)] {
        if (fate.verdict == Verdict::refused || fate.verdict == Verdict::done_late) {
            reply(std::unexpected(unavailable("the connection broke")));
            if (fate.verdict == Verdict::refused) return db_.trace.add(who_, what + ": lost");
            db_.timeline.after(db_.weather.late(),
                               [this, what, access, action] { act<T>(what + " (late)", access, action); });
            return;
        }
        auto answer = act<T>(what, access, action);
        if (fate.verdict == Verdict::reply_lost) {
            db_.trace.add(who_, what + ": its reply is lost");
            answer = std::unexpected(unavailable("the connection broke"));
        }
        reply(std::move(answer));
    });
    while (!exchange->answer) co_await exchange->answered.wait();
    co_return *std::move(exchange->answer);
}

template <class T> Result<T> SimStore::act(const std::string& what, Access access, const Action<T>& action) {
    Result<T> out;
    if (db_.weather.away)
        out = std::unexpected(unavailable("the database is away"));
    else if (db_.weather.read_only && access == Access::write)
        out = std::unexpected(Error{ErrorKind::transient, "read_only", "the database is read-only"});
    else
        out = action();
    db_.trace.add(who_, out ? what : what + ": " + out.error().code);
    return out;
}

asio::awaitable<Result<std::int64_t>> SimStore::join(std::string name) {
    return call<std::int64_t>("join", Access::write, [this, name] { return now(inner_.join(name)); });
}

asio::awaitable<Result<Membership>> SimStore::renew(std::int64_t worker, milliseconds lease) {
    return call<Membership>("renew", Access::write, [this, worker, lease] { return now(inner_.renew(worker, lease)); });
}

asio::awaitable<Result<std::vector<ShardEpoch>>> SimStore::owned(std::int64_t worker) {
    return call<std::vector<ShardEpoch>>("owned", Access::read, [this, worker] { return now(inner_.owned(worker)); });
}

asio::awaitable<Result<std::vector<ShardEpoch>>> SimStore::claim(std::int64_t worker, std::vector<ShardView> shards,
                                                                 milliseconds lease) {
    return call<std::vector<ShardEpoch>>(fmt::format("claim {}", shards.size()), Access::write,
                                         [this, worker, shards, lease] {
                                             auto out = now(inner_.claim(worker, shards, lease));
                                             if (out) db_.checker.claimed(worker, *out);
                                             return out;
                                         });
}

asio::awaitable<Result<void>> SimStore::release(std::int64_t worker, std::vector<int> shards) {
    auto out = co_await call<Nothing>(fmt::format("release {}", shards.size()), Access::write,
                                      [this, worker, shards]() -> Result<Nothing> {
                                          db_.checker.released(worker, shards);
                                          return now<Nothing>(told(inner_.release(worker, shards)));
                                      });
    if (!out) co_return std::unexpected(std::move(out).error());
    co_return Result<void>();
}

asio::awaitable<void> SimStore::leave(std::int64_t) {
    co_await call<Nothing>("leave", Access::write, [this]() -> Result<Nothing> {
        inner_.drop_session();
        return Nothing{};
    });
}

asio::awaitable<Result<CommitReceipt>> SimStore::commit(const Fence& fence, CommitNumber number,
                                                        const std::vector<Turn>& turns) {
    std::string names;
    for (const auto& turn : turns) names += fmt::format(" {}@{}.{}", turn.id, turn.execution, turn.next_event);
    return call<CommitReceipt>(fmt::format("commit {}/{}{}", number.lane, number.number, names), Access::write,
                               [this, fence, number, turns] {
                                   const auto inbox = db_.inbox();
                                   auto out = now(inner_.commit(fence, number, turns));
                                   if (out) db_.checker.committed(fence, turns, *out, inbox);
                                   return out;
                               });
}

asio::awaitable<Result<bool>> SimStore::was_committed(std::int64_t worker, CommitNumber number) {
    return call<bool>(fmt::format("was_committed {}/{}", number.lane, number.number), Access::read,
                      [this, worker, number] { return now(inner_.was_committed(worker, number)); });
}

asio::awaitable<Result<std::vector<StartOutcome>>> SimStore::find_starts(std::vector<StartRequest> starts) {
    return call<std::vector<StartOutcome>>("find_starts", Access::read,
                                           [this, starts] { return now(inner_.find_starts(starts)); });
}

asio::awaitable<Result<std::vector<OrchestrationRow>>> SimStore::load_open(std::vector<int> shards) {
    return call<std::vector<OrchestrationRow>>(fmt::format("load_open {}", shards.size()), Access::read,
                                               [this, shards] { return now(inner_.load_open(shards)); });
}

asio::awaitable<Result<std::vector<OrchestrationRow>>> SimStore::load(std::vector<std::string> ids) {
    return call<std::vector<OrchestrationRow>>("load", Access::read, [this, ids] { return now(inner_.load(ids)); });
}

asio::awaitable<Result<std::vector<std::string>>> SimStore::load_history(std::int64_t key, std::int64_t execution) {
    return call<std::vector<std::string>>(fmt::format("load_history {}/{}", key, execution), Access::read,
                                          [this, key, execution] { return now(inner_.load_history(key, execution)); });
}

asio::awaitable<Result<std::vector<Message>>> SimStore::load_inbox(std::vector<int> shards) {
    return call<std::vector<Message>>("load_inbox", Access::read, [this, shards] {
        auto out = now(inner_.load_inbox(shards));
        if (out && !out->empty()) db_.trace.add(who_, fmt::format("finds {} messages", out->size()));
        return out;
    });
}

asio::awaitable<Result<void>> SimStore::notify(std::vector<int> shards) {
    auto out = co_await call<Nothing>("notify", Access::write, [this, shards]() -> Result<Nothing> {
        return now<Nothing>(told(inner_.notify(shards)));
    });
    if (!out) co_return std::unexpected(std::move(out).error());
    co_return Result<void>();
}

asio::awaitable<Result<void>> SimStore::put_on_trial(std::int64_t worker, std::vector<std::string> orchestrations) {
    auto out = co_await call<Nothing>(fmt::format("put_on_trial {}", orchestrations.size()), Access::write,
                                      [this, worker, orchestrations]() -> Result<Nothing> {
                                          return now<Nothing>(told(inner_.put_on_trial(worker, orchestrations)));
                                      });
    if (!out) co_return std::unexpected(std::move(out).error());
    co_return Result<void>();
}

asio::awaitable<Result<std::vector<Suspect>>> SimStore::suspects(std::vector<std::int64_t> dead) {
    return call<std::vector<Suspect>>("suspects", Access::write, [this, dead] { return now(inner_.suspects(dead)); });
}

asio::awaitable<Result<void>> SimStore::acquit(std::vector<std::string> orchestrations) {
    auto out = co_await call<Nothing>("acquit", Access::write, [this, orchestrations]() -> Result<Nothing> {
        return now<Nothing>(told(inner_.acquit(orchestrations)));
    });
    if (!out) co_return std::unexpected(std::move(out).error());
    co_return Result<void>();
}

// Notices are heard late, or not at all: a listening session that broke tells nothing of what it missed.
asio::awaitable<Result<std::vector<int>>> SimStore::next_notice() {
    Pause pause(executor_, clock_);
    for (;;) {
        auto out = co_await inner_.next_notice();
        if (out && (db_.weather.away || db_.weather.loses_notice())) continue;
        if (out) co_await pause.wait(db_.weather.notice_delay());
        co_return out;
    }
}

asio::awaitable<Result<StartOutcome>> SimStore::start(StartRequest request) {
    return call<StartOutcome>("start " + request.id, Access::write, [this, request] {
        auto out = now(inner_.start(request));
        if (out) db_.checker.started(request, *out);
        return out;
    });
}

asio::awaitable<Result<std::optional<Json>>> SimStore::find_answer(std::string orchestration, std::string request) {
    // Not its request: a query's has a name drawn anew in each run.
    return call<std::optional<Json>>("find_answer " + orchestration, Access::read, [this, orchestration, request] {
        return now(inner_.find_answer(orchestration, request));
    });
}

asio::awaitable<Result<void>> SimStore::send(Message message) {
    auto out = co_await call<Nothing>(
        fmt::format("send {} {} {}", enum_name(message.kind), message.orchestration, message.payload.dump()),
        Access::write, [this, message]() -> Result<Nothing> { return now<Nothing>(told(inner_.send(message))); });
    if (!out) co_return std::unexpected(std::move(out).error());
    co_return Result<void>();
}

asio::awaitable<Result<std::vector<OrchestrationRow>>> SimStore::list(OrchestrationFilter filter) {
    return call<std::vector<OrchestrationRow>>("list", Access::read,
                                               [this, filter] { return now(inner_.list(filter)); });
}

asio::awaitable<Result<StartOutcome>> SimStore::signal_with_start(StartRequest request, Message signal) {
    return call<StartOutcome>("signal_with_start " + request.id, Access::write, [this, request, signal] {
        auto out = now(inner_.signal_with_start(request, signal));
        if (out) db_.checker.started(request, *out);
        return out;
    });
}

asio::awaitable<Result<std::vector<StatusCount>>> SimStore::count(OrchestrationFilter filter) {
    return call<std::vector<StatusCount>>("count", Access::read, [this, filter] { return now(inner_.count(filter)); });
}

asio::awaitable<Result<void>> SimStore::reset(Reset reset) {
    auto out = co_await call<Nothing>("reset " + reset.id, Access::write, [this, reset]() -> Result<Nothing> {
        return now<Nothing>(told(inner_.reset(reset)));
    });
    if (!out) co_return std::unexpected(std::move(out).error());
    co_return Result<void>();
}

asio::awaitable<Result<Pruned>> SimStore::prune(std::vector<Retention> rules, int most) {
    return call<Pruned>("prune", Access::write, [this, rules, most] { return now(inner_.prune(rules, most)); });
}

// --- steps -----------------------------------------------------------------------------------------------------------

namespace {

class Transaction : public StepTransaction {
  public:
    pg::Connection* sql() override { return nullptr; }
    void on_commit(std::function<void()> action) override { actions.push_back(std::move(action)); }
    std::vector<std::function<void()>> actions;
};

asio::awaitable<Result<Json>> run_body(StepBody body) {
    Transaction transaction;
    try {
        co_return co_await body(transaction);
    } catch (...) {
        co_return std::unexpected(current_error());
    }
}

asio::awaitable<Json> value_of(Json value) { co_return value; }

}  // namespace

// As on PostgreSQL: the body runs here in an open transaction, the completion and the commit there; when the answer is
// lost, a look into the inbox has to tell what became of it.
asio::awaitable<Result<StepReceipt>> SimStore::run_step(const Fence& fence, Message completion, StepBody body) {
    const auto held = fence;
    completion.kind = MessageKind::step_completed;
    db_.checker.step_begun(completion);
    const auto name = fmt::format("step {}/{}/{}", completion.orchestration, completion.execution, completion.event);
    if (auto begun =
            co_await call<Nothing>(name + " begins", Access::read, []() -> Result<Nothing> { return Nothing{}; });
        !begun)
        co_return std::unexpected(std::move(begun).error());
    auto output = co_await run_body(std::move(body));
    if (!output) co_return std::unexpected(std::move(output).error());
    const auto commit = [this, held, completion, output = *output]() -> Result<StepReceipt> {
        return planted(Fault::step_and_completion_apart) ? commit_step_in_halves(held, completion, output)
                                                         : commit_step(held, completion, output);
    };
    auto receipt = co_await call<StepReceipt>(name + " commits", Access::write, commit, fate_of_step());
    if (receipt || (receipt.error().kind != ErrorKind::transient && receipt.error().code != "unique_violation"))
        co_return receipt;
    co_return co_await find_step(std::move(completion), receipt.error());
}

// A commit of a step is never late: the completion is inserted before, and whoever repeats the step has to wait for the
// transaction that holds it.
Fate SimStore::fate_of_step() {
    auto out = db_.weather.draw();
    if (out.verdict == Verdict::done_late) out.verdict = Verdict::reply_lost;
    return out;
}

Result<StepReceipt> SimStore::commit_step(const Fence& fence, const Message& completion, const Json& output) {
    auto out = now(inner_.run_step(fence, completion, [output](StepTransaction&) { return value_of(output); }));
    if (out) db_.checker.step_took_effect(fence, completion);
    return out;
}

// The planted bug: the effect is there at once, its completion some time later.
Result<StepReceipt> SimStore::commit_step_in_halves(const Fence& fence, const Message& completion, const Json& output) {
    db_.checker.step_took_effect(fence, completion);
    auto late = completion;
    late.payload = output;
    db_.timeline.after(milliseconds(1000), [this, late] { (void)at_once(db_.io, told(inner_.send(late))); });
    return std::unexpected(unavailable("the connection broke"));
}

asio::awaitable<Result<StepReceipt>> SimStore::find_step(Message completion, Error error) {
    co_return co_await call<StepReceipt>("find_step", Access::read, [this, completion, error]() -> Result<StepReceipt> {
        for (const auto& message : db_.inbox())
            if (message.orchestration == completion.orchestration && message.dedup_key == completion.dedup_key)
                return StepReceipt{message.id, message.payload};
        return std::unexpected(error);
    });
}

}  // namespace toygres::sim
