#include "runtime/store/pg_store.hpp"

#include "base/crash_point.hpp"
#include "base/log.hpp"
#include "runtime/store/pg_queries.hpp"

#include <fmt/format.h>

#include <map>
#include <set>

namespace toygres::runtime {
namespace {

using pg::params;
using pg::Statement;

constexpr std::string_view notify_channel = "toygres_runtime";

std::vector<std::int64_t> numbers_of(const std::vector<int>& shards) { return {shards.begin(), shards.end()}; }

pg::Params fence_params(const Fence& fence) {
    std::vector<std::int64_t> shards;
    std::vector<std::int64_t> epochs;
    for (const auto& [shard, epoch] : fence.shards) {
        shards.push_back(shard);
        epochs.push_back(epoch);
    }
    return params(fence.worker, pg::array_literal(shards), pg::array_literal(epochs));
}

Statement start_statement(const StartRequest& request) { return {queries::start, queries::start_params(request)}; }

Statement find_start_statement(const StartRequest& request) {
    return {queries::find_start, queries::find_start_params(request)};
}

// What has the id is looked at only where the start made nothing.
asio::awaitable<Result<StartOutcome>> outcome_of_start(pg::Connection& db, const StartRequest& request,
                                                       const pg::Rows& made) {
    if (!made.empty()) co_return queries::started(made);
    auto found = co_await db.execute(queries::find_start, queries::find_start_params(request));
    if (!found) co_return std::unexpected(std::move(found).error());
    if (found->empty())
        co_return std::unexpected(
            Error{ErrorKind::transient, "orchestration_gone",
                  fmt::format("{} had ended and was pruned while it was to be started; try again", request.id)});
    co_return queries::start_outcome(request, made, *found);
}

// In one transaction; when the database refuses one of them, each in its own.
asio::awaitable<std::vector<Result<StartOutcome>>> start_all(std::shared_ptr<pg::Pool> pool,
                                                             std::vector<StartRequest> requests) {
    std::vector<Result<StartOutcome>> out;
    auto lease = co_await pool->acquire();
    if (!lease) {
        out.assign(requests.size(), std::unexpected(lease.error()));
        co_return out;
    }
    std::vector<Statement> statements;
    for (const auto& request : requests) statements.push_back(start_statement(request));
    auto answers = co_await (*lease)->execute_all(std::move(statements));
    if (answers) {
        for (std::size_t i = 0; i < requests.size(); ++i)
            out.push_back(co_await outcome_of_start(**lease, requests[i], (*answers)[i]));
    } else if (requests.size() == 1 || (*lease)->broken()) {
        out.assign(requests.size(), std::unexpected(answers.error()));
    } else {
        for (auto& request : requests) out.push_back(co_await PgStore::start_in(**lease, std::move(request)));
    }
    co_return out;
}

asio::awaitable<std::vector<Result<std::vector<OrchestrationRow>>>> load_all(std::shared_ptr<pg::Pool> pool,
                                                                             std::vector<std::string> ids) {
    std::vector<Result<std::vector<OrchestrationRow>>> out(ids.size());
    auto rows = co_await pool->execute(queries::load, params(pg::array_literal(ids)));
    if (!rows) {
        for (auto& one : out) one = std::unexpected(rows.error());
        co_return out;
    }
    // A row for each time that an id was asked for.
    std::multimap<std::string, OrchestrationRow> found;
    for (const auto row : *rows) {
        auto read = queries::to_orchestration(row);
        auto id = read.id;
        found.emplace(std::move(id), std::move(read));
    }
    for (std::size_t i = 0; i < ids.size(); ++i)
        if (const auto it = found.find(ids[i]); it != found.end()) {
            out[i]->push_back(std::move(it->second));
            found.erase(it);
        }
    co_return out;
}

Error fence_error(Error error) {
    if (error.code == "tg001") error.code = "fence_lost";
    if (error.code == "tg003") error.code = "commit_repeated";
    return error;
}

}  // namespace

PgStore::PgStore(asio::any_io_executor executor, PgStoreOptions options, std::shared_ptr<pg::Pool> pool)
    : executor_(executor),
      options_(std::move(options)),
      pool_(std::move(pool)),
      starts_(executor, [p = pool_](std::vector<StartRequest> requests) { return start_all(p, std::move(requests)); }),
      loads_(executor, [p = pool_](std::vector<std::string> ids) { return load_all(p, std::move(ids)); }) {}

PgStore::~PgStore() = default;

asio::awaitable<Result<void>> PgStore::ensure(std::unique_ptr<pg::Connection>& connection, std::string purpose) {
    if (closed_) co_return std::unexpected(Error{ErrorKind::cancelled, "store_closed", "the store is closed"});
    if (connection && !connection->broken()) co_return Result<void>();
    connection.reset();
    auto made = co_await pg::Connection::connect(options_.conninfo, options_.schema,
                                                 options_.application_name + " " + purpose, options_.connect_timeout);
    if (!made) co_return std::unexpected(std::move(made).error());
    connection = *std::move(made);
    co_return Result<void>();
}

asio::awaitable<Result<void>> PgStore::ensure_member() {
    if (member_ && !member_->broken() && !closed_) co_return Result<void>();
    if (auto up = co_await ensure(member_, "member"); !up) co_return up;
    if (worker_ == 0) co_return Result<void>();
    auto locked = co_await member_->execute(queries::lock_worker, params(worker_));
    if (!locked) co_return std::unexpected(std::move(locked).error());
    if (!(*locked)[0].get<bool>(0)) {
        // The session that broke is not yet gone on the server's side: try again from the start.
        member_.reset();
        co_return std::unexpected(Error{ErrorKind::transient, "lock_not_available", "the old session still stands"});
    }
    co_return Result<void>();
}

asio::awaitable<Result<std::int64_t>> PgStore::join(std::string name) {
    if (auto up = co_await ensure(member_, "member"); !up) co_return std::unexpected(up.error());
    auto made = co_await member_->execute(queries::join, params(name));
    if (!made) co_return std::unexpected(std::move(made).error());
    worker_ = (*made)[0].get<std::int64_t>(0);
    auto locked = co_await member_->execute(queries::lock_worker, params(worker_));
    if (!locked) co_return std::unexpected(std::move(locked).error());
    co_return worker_;
}

asio::awaitable<Result<Membership>> PgStore::renew(std::int64_t worker, std::chrono::milliseconds lease) {
    if (auto up = co_await ensure_member(); !up) co_return std::unexpected(up.error());
    auto answers = co_await member_->execute_all({{queries::heartbeat, params(worker)},
                                                  {queries::renew, params(worker, lease.count())},
                                                  {queries::shards, {}},
                                                  {queries::live_workers, params(lease.count())}});
    if (!answers) co_return std::unexpected(std::move(answers).error());
    Membership out{.shards = {}, .live_workers = {}};
    for (const auto row : (*answers)[2])
        out.shards.push_back({row.get<int>(0), row.get<std::int64_t>(1), row.get<std::int64_t>(2),
                              std::chrono::milliseconds(row.get<std::int64_t>(3)), row.get<bool>(4)});
    for (const auto row : (*answers)[3]) out.live_workers.push_back(row.get<std::int64_t>(0));
    co_return out;
}

asio::awaitable<Result<std::vector<ShardEpoch>>> PgStore::owned(std::int64_t worker) {
    auto rows = co_await pool_->execute(queries::owned, params(worker));
    if (!rows) co_return std::unexpected(std::move(rows).error());
    std::vector<ShardEpoch> out;
    for (const auto row : *rows) out.push_back({row.get<int>(0), row.get<std::int64_t>(1)});
    co_return out;
}

asio::awaitable<Result<std::vector<ShardEpoch>>> PgStore::claim(std::int64_t worker, std::vector<ShardView> shards,
                                                                std::chrono::milliseconds lease) {
    if (auto up = co_await ensure_member(); !up) co_return std::unexpected(up.error());
    std::set<std::int64_t> owners;
    std::vector<std::int64_t> numbers;
    std::vector<std::int64_t> epochs;
    for (const auto& view : shards) {
        if (view.owner != 0)
            owners.insert(view.owner);  // ourselves too: a step of the last epoch may be about to commit
        numbers.push_back(view.shard);
        epochs.push_back(view.epoch);
    }
    // Twice: the second time after ending the sessions of an owner that stopped in the middle of a commit.
    for (int attempt = 0; attempt < 2; ++attempt) {
        if (auto begun = co_await member_->begin(); !begun) co_return std::unexpected(begun.error());
        std::optional<Error> failed;
        if (auto set = co_await member_->run("SET LOCAL lock_timeout = '500ms'"); !set) failed = set.error();
        std::int64_t stuck = 0;
        for (const auto owner : owners) {
            if (failed) break;
            if (auto locked = co_await member_->execute(queries::lock_commits, params(owner)); !locked) {
                failed = locked.error();
                stuck = owner;
            }
        }
        Result<pg::Rows> claimed;
        if (!failed) {
            claimed = co_await member_->execute(
                queries::claim, params(worker, lease.count(), pg::array_literal(numbers), pg::array_literal(epochs)));
            if (!claimed) failed = claimed.error();
        }
        if (!failed)
            if (auto committed = co_await member_->commit(); !committed) failed = committed.error();
        if (!failed) {
            std::vector<ShardEpoch> out;
            for (const auto row : *claimed) out.push_back({row.get<int>(0), row.get<std::int64_t>(1)});
            co_return out;
        }
        co_await member_->rollback();
        if (failed->code != "lock_not_available" || stuck == 0 || member_->broken() || attempt == 1)
            co_return std::unexpected(*failed);
        log::warning("shard.owner_sessions_ended", {{"owner", stuck}});
        if (auto ended = co_await member_->execute(queries::end_commits, params(stuck)); !ended)
            co_return std::unexpected(ended.error());
    }
    co_return std::unexpected(Error{ErrorKind::transient, "lock_not_available", "the owner's commits did not end"});
}

asio::awaitable<Result<void>> PgStore::release(std::int64_t worker, std::vector<int> shards) {
    if (auto up = co_await ensure_member(); !up) co_return std::unexpected(up.error());
    // Steps that passed the fence commit before anybody else may own the shard: the next owner finds their completions.
    if (auto begun = co_await member_->begin(); !begun) co_return std::unexpected(begun.error());
    Result<pg::Rows> done = co_await member_->run("SET LOCAL lock_timeout = '3s'");
    if (done) done = co_await member_->execute(queries::lock_commits, params(worker));
    if (done) done = co_await member_->execute(queries::release, params(worker, pg::array_literal(numbers_of(shards))));
    if (done) {
        if (auto committed = co_await member_->commit(); committed)
            co_return Result<void>();
        else
            done = std::unexpected(committed.error());
    }
    co_await member_->rollback();
    co_return std::unexpected(std::move(done).error());
}

asio::awaitable<void> PgStore::leave(std::int64_t worker) {
    if (member_ && !member_->broken()) co_await member_->execute(queries::leave, params(worker));
    member_.reset();
    worker_ = 0;
}

asio::awaitable<Result<std::unique_ptr<pg::Connection>>> PgStore::take_session() {
    std::unique_ptr<pg::Connection> session;
    if (!idle_sessions_.empty()) {
        session = std::move(idle_sessions_.back());
        idle_sessions_.pop_back();
    }
    if (!closed_ && session && !session->broken()) co_return std::move(session);
    if (auto up = co_await ensure(session, "committer"); !up) co_return std::unexpected(up.error());
    auto set = co_await session->execute(queries::prefer_indexes);
    if (!set) co_return std::unexpected(std::move(set).error());
    co_return std::move(session);
}

void PgStore::give_back(std::unique_ptr<pg::Connection> session) {
    if (!session->broken()) idle_sessions_.push_back(std::move(session));
}

asio::awaitable<Result<CommitReceipt>> PgStore::commit(const Fence& fence, CommitNumber number,
                                                       const std::vector<Turn>& turns) {
    auto session = co_await take_session();
    if (!session) co_return std::unexpected(std::move(session).error());
    auto receipt = co_await commit_on(**session, fence, number, turns);
    give_back(*std::move(session));
    co_return receipt;
}

asio::awaitable<Result<CommitReceipt>> PgStore::commit_on(pg::Connection& connection, const Fence& fence,
                                                          CommitNumber number, const std::vector<Turn>& turns) {
    std::vector<std::int64_t> h_key, h_execution, h_first, key, version, execution, next_event, consumed, m_execution,
        m_event;
    std::vector<std::string> h_events, status, finished, m_target, m_kind, a_target, a_request, a_answer;
    std::vector<std::optional<std::string>> output, error, custom, input, m_payload, m_dedup;
    std::vector<std::pair<std::size_t, std::size_t>> messages;  // turn and index, in the order of m_*
    const auto text = [](const Json& v) { return v.is_null() ? std::nullopt : std::optional(pg::json_text(v)); };
    for (std::size_t t = 0; t < turns.size(); ++t) {
        const auto& turn = turns[t];
        consumed.insert(consumed.end(), turn.consumed.begin(), turn.consumed.end());
        for (std::size_t m = 0; m < turn.messages.size(); ++m) {
            const auto& message = turn.messages[m];
            messages.emplace_back(t, m);
            m_target.push_back(message.orchestration);
            m_kind.push_back(enum_name(message.kind));
            m_execution.push_back(message.execution);
            m_event.push_back(message.event);
            m_payload.push_back(text(message.payload));
            m_dedup.push_back(message.dedup_key.empty() ? std::nullopt : std::optional(message.dedup_key));
        }
        for (const auto& answer : turn.answers) {
            a_target.push_back(turn.id);
            a_request.push_back(answer.request);
            a_answer.push_back(pg::json_text(answer.answer));
        }
        if (turn.key == 0) continue;
        for (const auto& row : turn.rows) {
            h_key.push_back(turn.key);
            h_execution.push_back(row.execution);
            h_first.push_back(row.first_event);
            h_events.push_back(row.events);
        }
        key.push_back(turn.key);
        version.push_back(turn.version);
        execution.push_back(turn.execution);
        next_event.push_back(turn.next_event);
        status.push_back(enum_name(turn.status));
        finished.emplace_back(is_finished(turn.status) ? "t" : "f");
        output.push_back(text(turn.output));
        error.push_back(text(turn.error));
        custom.push_back(turn.custom_status ? std::optional(pg::json_text(*turn.custom_status)) : std::nullopt);
        input.push_back(turn.input ? text(*turn.input) : std::nullopt);
    }

    std::vector<Statement> statements;
    auto begin = fence_params(fence);
    begin.push_back(std::to_string(number.lane));
    begin.push_back(std::to_string(number.number));
    statements.push_back({queries::begin_commit, std::move(begin)});
    using pg::array_literal;
    if (!h_key.empty())
        statements.push_back({queries::add_history, params(array_literal(h_key), array_literal(h_execution),
                                                           array_literal(h_first), array_literal(h_events))});
    if (!key.empty())
        statements.push_back(
            {queries::advance,
             params(array_literal(key), array_literal(version), array_literal(execution), array_literal(next_event),
                    array_literal(status), array_literal(output), array_literal(error), array_literal(custom),
                    array_literal(input), array_literal(finished))});
    if (!consumed.empty()) statements.push_back({queries::consume, params(array_literal(consumed))});
    if (!a_target.empty())
        statements.push_back(
            {queries::answer, params(array_literal(a_target), array_literal(a_request), array_literal(a_answer))});
    // Starts first: a message of the same commit may be for one of them.
    const auto starts_at = statements.size();
    for (const auto& turn : turns)
        for (const auto& start : turn.starts) {
            statements.push_back(start_statement(start));
            statements.push_back(find_start_statement(start));
        }
    const auto deliver_at = statements.size();
    if (!m_target.empty())
        statements.push_back(
            {queries::deliver, params(array_literal(m_target), array_literal(m_kind), array_literal(m_execution),
                                      array_literal(m_event), array_literal(m_payload), array_literal(m_dedup))});

    if (crash_points_armed())
        connection.on_sent = [&turns] {
            for (const auto& turn : turns)
                if (turn.key != 0) crash_point("commit.sent/" + turn.id.substr(0, turn.id.find('-')));
        };
    auto answers = co_await connection.execute_all(std::move(statements));
    connection.on_sent = nullptr;
    if (!answers) co_return std::unexpected(fence_error(std::move(answers).error()));

    CommitReceipt out;
    out.message_ids.resize(turns.size());
    out.starts.resize(turns.size());
    for (std::size_t t = 0; t < turns.size(); ++t) out.message_ids[t].resize(turns[t].messages.size(), 0);
    if (!m_target.empty()) {
        // A key is one of its receiver's: parents that do alike get their children's answers under the same.
        std::map<std::pair<std::string, std::string>, std::int64_t> delivered;
        for (const auto row : (*answers)[deliver_at])
            if (!row.null(2))
                delivered.emplace(std::pair(row.get<std::string>(1), row.get<std::string>(2)),
                                  row.get<std::int64_t>(0));
        for (const auto& [t, m] : messages) {
            const auto& message = turns[t].messages[m];
            if (const auto it = delivered.find({message.orchestration, message.dedup_key}); it != delivered.end())
                out.message_ids[t][m] = it->second;
        }
    }
    auto at = starts_at;
    for (std::size_t t = 0; t < turns.size(); ++t)
        for (std::size_t s = 0; s < turns[t].starts.size(); ++s, at += 2) {
            const auto& made = (*answers)[at];
            const auto found = (*answers)[at + 1][0];
            out.starts[t].push_back({.created = !made.empty(),
                                     .by_this_command = found.get<bool>(2),
                                     .key = found.get<std::int64_t>(0),
                                     .start_message = made.empty() ? 0 : made[0].get<std::int64_t>(1),
                                     .status = enum_from<Status>(found.text(1)).value_or(Status::stuck)});
        }
    co_return out;
}

asio::awaitable<Result<bool>> PgStore::was_committed(std::int64_t worker, CommitNumber number) {
    auto found = co_await pool_->execute(queries::last_commit, params(worker, number.lane));
    if (!found) co_return std::unexpected(std::move(found).error());
    co_return !found->empty() && (*found)[0].get<std::int64_t>(0) >= number.number;
}

asio::awaitable<Result<std::vector<StartOutcome>>> PgStore::find_starts(std::vector<StartRequest> starts) {
    std::vector<StartOutcome> out;
    for (const auto& start : starts) {
        auto found = co_await pool_->execute(queries::find_start, queries::find_start_params(start));
        if (!found) co_return std::unexpected(std::move(found).error());
        if (found->empty()) {
            out.push_back({false, false, 0, 0, Status::pending});
            continue;
        }
        const auto row = (*found)[0];
        out.push_back({false, row.get<bool>(2), row.get<std::int64_t>(0), 0,
                       enum_from<Status>(row.text(1)).value_or(Status::stuck)});
    }
    co_return out;
}

namespace {

class PgStepTransaction : public StepTransaction {
  public:
    explicit PgStepTransaction(pg::Connection& connection) : connection_(connection) {}
    pg::Connection* sql() override { return &connection_; }
    void on_commit(std::function<void()> action) override { actions.push_back(std::move(action)); }
    std::vector<std::function<void()>> actions;

  private:
    pg::Connection& connection_;
};

asio::awaitable<Result<Json>> run_body(StepBody& body, StepTransaction& transaction) {
    try {
        co_return co_await body(transaction);
    } catch (...) {
        co_return std::unexpected(current_error());
    }
}

}  // namespace

asio::awaitable<Result<StepReceipt>> PgStore::run_step(const Fence& fence, Message completion, StepBody body) {
    auto acquired = co_await pool_->acquire();
    if (!acquired) co_return std::unexpected(std::move(acquired).error());
    std::optional<pg::Lease> lease(*std::move(acquired));
    auto& connection = **lease;
    if (auto begun = co_await connection.begin(); !begun) co_return std::unexpected(begun.error());
    // The fence first: whoever takes the shard over waits for this transaction or ends it.
    if (auto held = co_await connection.execute(queries::fence, fence_params(fence)); !held) {
        co_await connection.rollback();
        co_return std::unexpected(fence_error(std::move(held).error()));
    }
    PgStepTransaction transaction(connection);
    auto output = co_await run_body(body, transaction);
    if (!output) {
        co_await connection.rollback();
        co_return std::unexpected(std::move(output).error());
    }
    auto noted = co_await connection.execute(
        queries::complete_step,
        params(shard_of(completion.orchestration), completion.orchestration, completion.execution, completion.event,
               pg::json_text(*output), completion.dedup_key));
    if (noted) {
        const auto id = (*noted)[0].get<std::int64_t>(0);
        auto committed = co_await connection.commit();
        if (committed) {
            for (auto& action : transaction.actions) action();
            co_return StepReceipt{id, *std::move(output)};
        }
        noted = std::unexpected(std::move(committed).error());
    }
    const bool repeated = noted.error().code == "unique_violation" && pg::constraint_of(noted.error()) == "inbox_dedup";
    if (!repeated && !connection.broken()) {
        co_await connection.rollback();
        co_return std::unexpected(std::move(noted).error());
    }
    // Did it commit? The completion tells, once another session can be had: not while this one is held.
    co_await connection.rollback();
    lease.reset();
    auto found = co_await pool_->execute(queries::find_step, params(completion.orchestration, completion.dedup_key));
    if (!found) co_return std::unexpected(std::move(found).error());
    if (found->empty()) co_return std::unexpected(std::move(noted).error());
    for (auto& action : transaction.actions) action();
    co_return StepReceipt{(*found)[0].get<std::int64_t>(0), (*found)[0].get<Json>(1)};
}

asio::awaitable<Result<std::vector<OrchestrationRow>>> PgStore::load_open(std::vector<int> shards) {
    auto rows = co_await pool_->execute(queries::load_open, params(pg::array_literal(numbers_of(shards))));
    if (!rows) co_return std::unexpected(std::move(rows).error());
    std::vector<OrchestrationRow> out;
    for (const auto row : *rows) out.push_back(queries::to_orchestration(row));
    co_return out;
}

asio::awaitable<Result<std::vector<OrchestrationRow>>> PgStore::load(std::vector<std::string> ids) {
    if (ids.size() == 1) co_return co_await loads_.submit(std::move(ids.front()));
    auto rows = co_await pool_->execute(queries::load, params(pg::array_literal(ids)));
    if (!rows) co_return std::unexpected(std::move(rows).error());
    std::vector<OrchestrationRow> out;
    for (const auto row : *rows) out.push_back(queries::to_orchestration(row));
    co_return out;
}

asio::awaitable<Result<std::vector<std::string>>> PgStore::load_history(std::int64_t key, std::int64_t execution) {
    auto rows = co_await pool_->execute(queries::load_history, params(key, execution));
    if (!rows) co_return std::unexpected(std::move(rows).error());
    std::vector<std::string> out;
    for (const auto row : *rows) out.push_back(row.get<std::string>(0));
    co_return out;
}

asio::awaitable<Result<std::vector<Message>>> PgStore::load_inbox(std::vector<int> shards) {
    auto session = co_await take_session();
    if (!session) co_return std::unexpected(std::move(session).error());
    auto rows = co_await (*session)->execute(queries::load_inbox, params(pg::array_literal(numbers_of(shards))));
    give_back(*std::move(session));
    if (!rows) co_return std::unexpected(std::move(rows).error());
    std::vector<Message> out;
    for (const auto row : *rows) out.push_back(queries::to_message(row));
    co_return out;
}

asio::awaitable<Result<void>> PgStore::notify(std::vector<int> shards) {
    auto sent = co_await pool_->execute(queries::notify, params(fmt::format("{}", fmt::join(shards, ","))));
    if (!sent) co_return std::unexpected(std::move(sent).error());
    co_return Result<void>();
}

asio::awaitable<Result<std::vector<int>>> PgStore::next_notice() {
    if (!listener_ || listener_->broken()) {
        if (auto up = co_await ensure(listener_, "listener"); !up) co_return std::unexpected(up.error());
        if (auto on = co_await listener_->run(fmt::format("LISTEN {}", notify_channel)); !on)
            co_return std::unexpected(on.error());
        co_return std::vector<int>();  // whatever was said while nobody listened is looked up now
    }
    auto notice = co_await listener_->notification();
    if (!notice) co_return std::unexpected(std::move(notice).error());
    std::vector<int> out;
    const auto& text = notice->payload;
    for (std::size_t i = 0; i < text.size();) {
        int shard = 0;
        const auto [end, error] = std::from_chars(text.data() + i, text.data() + text.size(), shard);
        if (error == std::errc()) out.push_back(shard);
        i = static_cast<std::size_t>(end - text.data()) + 1;
    }
    co_return out;
}

asio::awaitable<Result<StartOutcome>> PgStore::start_in(pg::Connection& transaction, StartRequest request) {
    auto made = co_await transaction.execute(queries::start, queries::start_params(request));
    if (!made) co_return std::unexpected(std::move(made).error());
    co_return co_await outcome_of_start(transaction, request, *made);
}

asio::awaitable<Result<StartOutcome>> PgStore::start(StartRequest request) {
    return starts_.submit(std::move(request));
}

asio::awaitable<Result<void>> PgStore::send(Message message) {
    auto lease = co_await pool_->acquire();
    if (!lease) co_return std::unexpected(std::move(lease).error());
    auto found = co_await (*lease)->execute(queries::find_receiver, params(message.orchestration));
    if (!found) co_return std::unexpected(std::move(found).error());
    if (found->empty())
        co_return std::unexpected(Error{ErrorKind::not_found, "orchestration_not_found",
                                        fmt::format("there is no orchestration {}", message.orchestration)});
    if ((*found)[0].get<bool>(1)) co_return std::unexpected(orchestration_finished(message.orchestration));
    auto sent = co_await (*lease)->execute(
        queries::send, params((*found)[0].get<int>(0), message.orchestration, enum_name(message.kind),
                              message.name.empty() ? std::nullopt : std::optional(message.name), message.payload,
                              message.dedup_key.empty() ? std::nullopt : std::optional(message.dedup_key)));
    if (!sent) co_return std::unexpected(std::move(sent).error());
    co_return Result<void>();
}

void PgStore::close() {
    closed_ = true;
    if (listener_) listener_->close();
}

}  // namespace toygres::runtime
