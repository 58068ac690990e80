#include "runtime/store/memory_store.hpp"

#include "runtime/core/planted.hpp"

#include <fmt/format.h>

namespace toygres::runtime {

MemoryDatabase::MemoryDatabase(std::function<Timestamp()> now) : now_(std::move(now)), shards_(shard_count) {}

MemoryStore::MemoryStore(asio::any_io_executor executor, std::shared_ptr<MemoryDatabase> database)
    : db_(std::move(database)), notice_(executor, asio::steady_timer::time_point::max()) {
    db_->stores_.push_back(this);
}

MemoryStore::~MemoryStore() {
    drop_session();
    std::erase(db_->stores_, this);
}

void MemoryStore::drop_session() { db_->live_.erase(worker_); }

Result<void> MemoryStore::check() const {
    if (closed_) return std::unexpected(Error{ErrorKind::cancelled, "store_closed", "the store is closed"});
    if (!available_)
        return std::unexpected(Error{ErrorKind::transient, "database_unavailable", "the database is away"});
    return {};
}

asio::awaitable<Result<std::int64_t>> MemoryStore::join(std::string) {
    if (auto ok = check(); !ok) co_return std::unexpected(ok.error());
    worker_ = db_->next_worker_++;
    db_->live_.insert(worker_);
    co_return worker_;
}

asio::awaitable<Result<Membership>> MemoryStore::renew(std::int64_t worker, std::chrono::milliseconds lease) {
    if (auto ok = check(); !ok) co_return std::unexpected(ok.error());
    db_->live_.insert(worker);
    Membership out{.shards = {}, .live_workers = {}};
    const auto now = db_->now_();
    db_->heartbeats_[worker] = now;
    for (const auto other : db_->live_)
        if (db_->heartbeats_[other] > now - lease) out.live_workers.push_back(other);
    for (int i = 0; i < shard_count; ++i) {
        auto& shard = db_->shards_[static_cast<std::size_t>(i)];
        if (shard.owner == worker) shard.lease_until = now + lease;
        const auto left = std::chrono::floor<std::chrono::milliseconds>(shard.lease_until - now);
        out.shards.push_back({i, shard.owner, shard.epoch, left, db_->live_.contains(shard.owner)});
    }
    co_return out;
}

asio::awaitable<Result<std::vector<ShardEpoch>>> MemoryStore::owned(std::int64_t worker) {
    if (auto ok = check(); !ok) co_return std::unexpected(ok.error());
    std::vector<ShardEpoch> out;
    for (int i = 0; i < shard_count; ++i)
        if (const auto& shard = db_->shards_[static_cast<std::size_t>(i)]; shard.owner == worker)
            out.push_back({i, shard.epoch});
    co_return out;
}

asio::awaitable<Result<std::vector<ShardEpoch>>> MemoryStore::claim(std::int64_t worker, std::vector<ShardView> shards,
                                                                    std::chrono::milliseconds lease) {
    if (auto ok = check(); !ok) co_return std::unexpected(ok.error());
    std::vector<ShardEpoch> out;
    for (const auto& view : shards) {
        auto& shard = db_->shards_[static_cast<std::size_t>(view.shard)];
        if (shard.epoch != view.epoch) continue;
        shard = {worker, shard.epoch + 1, db_->now_() + lease};
        out.push_back({view.shard, shard.epoch});
    }
    co_return out;
}

asio::awaitable<Result<void>> MemoryStore::release(std::int64_t worker, std::vector<int> shards) {
    if (auto ok = check(); !ok) co_return std::unexpected(ok.error());
    for (const auto i : shards)
        if (auto& shard = db_->shards_[static_cast<std::size_t>(i)]; shard.owner == worker) shard.owner = 0;
    co_return Result<void>();
}

asio::awaitable<void> MemoryStore::leave(std::int64_t worker) {
    db_->live_.erase(worker);
    co_return;
}

Result<void> MemoryStore::check_fence(const Fence& fence) const {
    if (planted(Fault::fence_unchecked)) return {};
    for (const auto& [i, epoch] : fence.shards) {
        const auto& shard = db_->shards_[static_cast<std::size_t>(i)];
        if (shard.owner != fence.worker || shard.epoch != epoch)
            return std::unexpected(Error{ErrorKind::conflict, "fence_lost", "a shard belongs to another epoch"});
    }
    return {};
}

void MemoryStore::erase_message(std::int64_t id) {
    const auto it = db_->inbox_.find(id);
    if (it == db_->inbox_.end()) return;
    db_->dedup_.erase({it->second.orchestration, it->second.dedup_key});
    db_->inbox_.erase(it);
}

std::int64_t MemoryStore::deliver_now(Message message) {
    const auto row = db_->rows_.find(message.orchestration);
    if (row == db_->rows_.end() || row->second.finished_at) return 0;
    if (!message.dedup_key.empty() && !db_->dedup_.emplace(message.orchestration, message.dedup_key).second) return 0;
    message.id = db_->next_message_++;
    db_->inbox_.emplace(message.id, message);
    return message.id;
}

StartOutcome MemoryStore::look_up(const StartRequest& request) const {
    const auto it = db_->rows_.find(request.id);
    if (it == db_->rows_.end()) return {false, false, 0, 0, Status::pending};
    return {false,
            it->second.parent == request.parent,
            it->second.key,
            0,
            it->second.status,
            !request.request.empty() && db_->requests_[request.id] == request.request};
}

StartOutcome MemoryStore::start_now(const StartRequest& request) {
    const auto now = db_->now_();
    auto it = db_->rows_.find(request.id);
    if (it != db_->rows_.end() &&
        (request.on_conflict != OnConflict::replace_terminal || !it->second.finished_at || look_up(request).repeated))
        return look_up(request);
    db_->requests_[request.id] = request.request;
    OrchestrationRow row{.key = it == db_->rows_.end() ? db_->next_key_++ : it->second.key,
                         .id = request.id,
                         .name = request.name,
                         .version = std::nullopt,
                         .execution = it == db_->rows_.end() ? 1 : it->second.execution + 1,
                         .status = Status::pending,
                         .parent = request.parent,
                         .detached = request.detached,
                         .input = request.input,
                         .output = {},
                         .error = {},
                         .custom_status = {},
                         .tags = request.tags,
                         .next_event = 1,
                         .created_at = it == db_->rows_.end() ? now : it->second.created_at,
                         .updated_at = now,
                         .finished_at = std::nullopt};
    db_->ids_[row.key] = row.id;
    const auto key = row.key;
    db_->rows_.insert_or_assign(request.id, std::move(row));
    const auto message = deliver_now({.orchestration = request.id, .kind = MessageKind::start});
    return {true, true, key, message, Status::pending};
}

asio::awaitable<Result<CommitReceipt>> MemoryStore::commit(const Fence& fence, CommitNumber number,
                                                           const std::vector<Turn>& turns) {
    if (auto ok = check(); !ok) co_return std::unexpected(ok.error());
    if (auto held = check_fence(fence); !held) co_return std::unexpected(held.error());
    auto& last = db_->commits_[{fence.worker, number.lane}];
    if (last >= number.number)
        co_return std::unexpected(Error{ErrorKind::conflict, "commit_repeated", "this commit has happened"});
    for (const auto& turn : turns)
        for (const auto& row : turn.rows)
            if (db_->history_.contains({turn.key, row.execution, row.first_event}))
                co_return std::unexpected(
                    Error{ErrorKind::conflict, "unique_violation", "the turn is recorded already"});
    last = number.number;
    CommitReceipt out;
    for (const auto& turn : turns) {
        for (const auto id : turn.consumed) erase_message(id);
        for (const auto& a : turn.answers)
            db_->answers_.try_emplace(request_name(turn.id, a.request), a.answer, db_->now_());
        auto& ids = out.message_ids.emplace_back();
        auto& starts = out.starts.emplace_back();
        if (turn.key != 0) {
            for (const auto& row : turn.rows) db_->history_[{turn.key, row.execution, row.first_event}] = row.events;
            auto& row = db_->rows_.at(db_->ids_.at(turn.key));
            if (turn.version != 0) row.version = turn.version;
            row.execution = turn.execution;
            row.next_event = turn.next_event;
            row.status = turn.status;
            row.output = turn.output;
            row.error = turn.error;
            if (turn.custom_status) row.custom_status = *turn.custom_status;
            if (turn.input) row.input = *turn.input;
            row.updated_at = db_->now_();
            row.finished_at = is_finished(turn.status) ? std::optional(db_->now_()) : std::nullopt;
        }
        for (const auto& start : turn.starts) starts.push_back(start_now(start));
        for (const auto& message : turn.messages) ids.push_back(deliver_now(message));
    }
    co_return out;
}

asio::awaitable<Result<bool>> MemoryStore::was_committed(std::int64_t worker, CommitNumber number) {
    if (auto ok = check(); !ok) co_return std::unexpected(ok.error());
    co_return db_->commits_[{worker, number.lane}] >= number.number;
}

asio::awaitable<Result<std::vector<StartOutcome>>> MemoryStore::find_starts(std::vector<StartRequest> starts) {
    if (auto ok = check(); !ok) co_return std::unexpected(ok.error());
    std::vector<StartOutcome> out;
    for (const auto& start : starts) out.push_back(look_up(start));
    co_return out;
}

namespace {

class MemoryTransaction : public StepTransaction {
  public:
    pg::Connection* sql() override { return nullptr; }
    void on_commit(std::function<void()> action) override { actions.push_back(std::move(action)); }
    std::vector<std::function<void()>> actions;
};

asio::awaitable<Result<Json>> run_body(StepBody& body, StepTransaction& transaction) {
    try {
        co_return co_await body(transaction);
    } catch (...) {
        co_return std::unexpected(current_error());
    }
}

}  // namespace

asio::awaitable<Result<StepReceipt>> MemoryStore::run_step(const Fence& fence, Message completion, StepBody body) {
    if (auto ok = check(); !ok) co_return std::unexpected(ok.error());
    MemoryTransaction transaction;
    auto output = co_await run_body(body, transaction);
    if (!output) co_return std::unexpected(std::move(output).error());
    if (auto ok = check(); !ok) co_return std::unexpected(ok.error());
    if (auto held = check_fence(fence); !held) co_return std::unexpected(held.error());
    completion.payload = *output;
    completion.kind = MessageKind::step_completed;
    const auto id = deliver_now(std::move(completion));
    if (id == 0) co_return std::unexpected(Error{ErrorKind::conflict, "unique_violation", "the step ran already"});
    for (auto& action : transaction.actions) action();
    co_return StepReceipt{id, *std::move(output)};
}

asio::awaitable<Result<std::vector<OrchestrationRow>>> MemoryStore::load_open(std::vector<int> shards) {
    if (auto ok = check(); !ok) co_return std::unexpected(ok.error());
    std::vector<OrchestrationRow> out;
    for (const auto& [id, row] : db_->rows_)
        if (!row.finished_at && std::ranges::find(shards, shard_of(id)) != shards.end()) out.push_back(row);
    std::ranges::sort(out, {}, &OrchestrationRow::key);
    co_return out;
}

asio::awaitable<Result<std::vector<OrchestrationRow>>> MemoryStore::load(std::vector<std::string> ids) {
    if (auto ok = check(); !ok) co_return std::unexpected(ok.error());
    std::vector<OrchestrationRow> out;
    for (const auto& id : ids)
        if (const auto it = db_->rows_.find(id); it != db_->rows_.end()) out.push_back(it->second);
    co_return out;
}

asio::awaitable<Result<std::vector<std::string>>> MemoryStore::load_history(std::int64_t key, std::int64_t execution) {
    if (auto ok = check(); !ok) co_return std::unexpected(ok.error());
    std::vector<std::string> out;
    for (auto it = db_->history_.lower_bound({key, execution, 0});
         it != db_->history_.end() && std::get<0>(it->first) == key && std::get<1>(it->first) == execution; ++it)
        out.push_back(it->second);
    co_return out;
}

asio::awaitable<Result<std::vector<Message>>> MemoryStore::load_inbox(std::vector<int> shards) {
    if (auto ok = check(); !ok) co_return std::unexpected(ok.error());
    std::vector<Message> out;
    for (const auto& [id, message] : db_->inbox_)
        if (std::ranges::find(shards, shard_of(message.orchestration)) != shards.end()) out.push_back(message);
    co_return out;
}

asio::awaitable<Result<void>> MemoryStore::put_on_trial(std::int64_t worker, std::vector<std::string> orchestrations) {
    if (auto ok = check(); !ok) co_return ok;
    db_->on_trial_[worker] = std::move(orchestrations);
    co_return Result<void>();
}

asio::awaitable<Result<std::vector<Suspect>>> MemoryStore::suspects(std::vector<std::int64_t> dead) {
    if (auto ok = check(); !ok) co_return std::unexpected(ok.error());
    std::map<std::string, bool> held;  // whether alone
    for (const auto worker : dead) {
        const auto ids = std::exchange(db_->on_trial_[worker], {});
        for (const auto& id : ids) held[id] |= ids.size() == 1;
    }
    for (const auto& [id, alone] : held) {
        const auto row = db_->rows_.find(id);
        if (row == db_->rows_.end()) continue;
        const auto turn = row->second.next_event;
        const auto [suspicion, is_new] = db_->suspects_.try_emplace(id, turn, 0);
        if (std::exchange(suspicion->second.turn, turn) != turn)
            suspicion->second.deaths = 0;
        else if (alone && !is_new)
            ++suspicion->second.deaths;
    }
    std::vector<Suspect> out;
    for (const auto& [id, suspicion] : db_->suspects_) out.push_back({id, suspicion.deaths});
    co_return out;
}

asio::awaitable<Result<void>> MemoryStore::acquit(std::vector<std::string> orchestrations) {
    if (auto ok = check(); !ok) co_return ok;
    for (const auto& id : orchestrations) db_->suspects_.erase(id);
    co_return Result<void>();
}

asio::awaitable<Result<void>> MemoryStore::notify(std::vector<int> shards) {
    if (auto ok = check(); !ok) co_return std::unexpected(ok.error());
    for (auto* store : db_->stores_) {
        store->notices_.push_back(shards);
        store->notice_.cancel();
    }
    co_return Result<void>();
}

asio::awaitable<Result<std::vector<int>>> MemoryStore::next_notice() {
    for (;;) {
        if (auto ok = check(); !ok) co_return std::unexpected(ok.error());
        if (!notices_.empty()) {
            auto out = std::move(notices_.front());
            notices_.erase(notices_.begin());
            co_return out;
        }
        co_await notice_.async_wait(use);
    }
}

asio::awaitable<Result<StartOutcome>> MemoryStore::start(StartRequest request) {
    if (auto ok = check(); !ok) co_return std::unexpected(ok.error());
    auto outcome = start_now(request);
    if (!outcome.created && !outcome.repeated && request.on_conflict == OnConflict::fail)
        co_return std::unexpected(Error{ErrorKind::conflict, "orchestration_exists",
                                        fmt::format("an orchestration {} exists already", request.id)});
    co_return outcome;
}

asio::awaitable<Result<void>> MemoryStore::send(Message message) {
    if (auto ok = check(); !ok) co_return std::unexpected(ok.error());
    const auto it = db_->rows_.find(message.orchestration);
    if (it == db_->rows_.end())
        co_return std::unexpected(Error{ErrorKind::not_found, "orchestration_not_found",
                                        fmt::format("there is no orchestration {}", message.orchestration)});
    if (it->second.finished_at) co_return std::unexpected(orchestration_finished(message.orchestration));
    deliver_now(std::move(message));
    co_return Result<void>();
}

asio::awaitable<Result<std::optional<Json>>> MemoryStore::find_answer(std::string orchestration, std::string request) {
    if (auto ok = check(); !ok) co_return std::unexpected(ok.error());
    const auto it = db_->answers_.find(request_name(orchestration, request));
    co_return it == db_->answers_.end() ? std::nullopt : std::optional(it->second.answer);
}

asio::awaitable<Result<StartOutcome>> MemoryStore::signal_with_start(StartRequest request, Message signal) {
    if (auto ok = check(); !ok) co_return std::unexpected(ok.error());
    const auto outcome = start_now(request);
    if (is_finished(outcome.status)) co_return std::unexpected(orchestration_finished(request.id));
    deliver_now(std::move(signal));
    co_return outcome;
}

bool MemoryStore::matches(const OrchestrationRow& row, const OrchestrationFilter& filter) {
    const auto tagged = [&](const auto& tag) {
        return row.tags.contains(tag.key()) && row.tags[tag.key()] == tag.value();
    };
    const auto tags = filter.tags.items();
    return (!filter.id || row.id == *filter.id) && (!filter.id_prefix || row.id.starts_with(*filter.id_prefix)) &&
           (!filter.name || row.name == *filter.name) && (!filter.status || row.status == *filter.status) &&
           (!filter.created_after || row.created_at >= *filter.created_after) &&
           (!filter.created_before || row.created_at < *filter.created_before) &&
           std::all_of(tags.begin(), tags.end(), tagged);
}

asio::awaitable<Result<std::vector<OrchestrationRow>>> MemoryStore::list(OrchestrationFilter filter) {
    if (auto ok = check(); !ok) co_return std::unexpected(ok.error());
    std::vector<OrchestrationRow> out;
    for (const auto& [id, row] : db_->rows_)
        if (matches(row, filter) && (filter.after_key == 0 || row.key < filter.after_key)) out.push_back(row);
    std::ranges::sort(out, std::greater(), &OrchestrationRow::key);
    if (out.size() > static_cast<std::size_t>(filter.limit)) out.resize(static_cast<std::size_t>(filter.limit));
    co_return out;
}

asio::awaitable<Result<std::vector<StatusCount>>> MemoryStore::count(OrchestrationFilter filter) {
    if (auto ok = check(); !ok) co_return std::unexpected(ok.error());
    std::map<std::pair<std::string, std::string>, StatusCount> counts;  // in the order of their words, as SQL has it
    for (const auto& [id, row] : db_->rows_)
        if (matches(row, filter))
            ++counts.try_emplace({row.name, enum_name(row.status)}, StatusCount{row.name, row.status, 0})
                  .first->second.count;
    std::vector<StatusCount> out;
    for (auto& [key, count] : counts) out.push_back(std::move(count));
    co_return out;
}

Result<void> MemoryStore::may_reset(const Reset& reset) const {
    const auto it = db_->rows_.find(reset.id);
    if (it == db_->rows_.end() || it->second.key != reset.key || it->second.execution != reset.execution ||
        !it->second.finished_at)
        return std::unexpected(orchestration_changed(reset.id));
    for (const auto* child : children_of(reset))
        if (!child->finished_at) return std::unexpected(children_running(reset.id, child->id));
    for (const auto& child : reset.of_children)
        if (auto may = may_reset(child); !may) return may;
    return {};
}

std::vector<OrchestrationRow*> MemoryStore::children_of(const Reset& reset) const {
    std::vector<OrchestrationRow*> out;
    for (auto& [id, row] : db_->rows_)
        if (row.parent && !row.detached && row.parent->id == reset.id && row.parent->execution == reset.execution &&
            std::ranges::find(reset.children, row.parent->event) != reset.children.end())
            out.push_back(&row);
    return out;
}

void MemoryStore::begin_again(OrchestrationRow& row, std::int64_t next_event) {
    ++row.execution;
    row.next_event = next_event;
    if (next_event == 1) row.version.reset();
    row.status = next_event == 1 ? Status::pending : Status::running;
    row.output = {};
    row.error = {};
    row.custom_status = {};
    row.updated_at = db_->now_();
    row.finished_at.reset();
    deliver_now({.orchestration = row.id, .kind = MessageKind::start});
}

void MemoryStore::reset_now(const Reset& reset) {
    for (const auto& child : reset.of_children) reset_now(child);
    auto& row = db_->rows_.at(reset.id);
    begin_again(row, reset.next_event);
    row.custom_status = reset.custom_status;
    for (const auto& kept : reset.rows) db_->history_[{reset.key, kept.execution, kept.first_event}] = kept.events;
    for (const auto& signal : reset.signals) deliver_now(signal);
    for (auto* child : children_of(reset)) {
        const auto event = child->parent->event;
        if (child->status == Status::completed) {
            deliver_now({.orchestration = reset.id,
                         .kind = MessageKind::child_completed,
                         .execution = row.execution,
                         .event = event,
                         .payload = child->output,
                         .dedup_key = fmt::format("child/{}/{}", row.execution, event)});
        } else if (child->finished_at) {
            begin_again(*child, 1);
        }
        child->parent->execution = row.execution;
    }
}

asio::awaitable<Result<void>> MemoryStore::reset(Reset reset) {
    if (auto ok = check(); !ok) co_return ok;
    if (auto may = may_reset(reset); !may) co_return may;
    reset_now(reset);
    co_return Result<void>();
}

asio::awaitable<Result<Pruned>> MemoryStore::prune(std::vector<Retention> rules, int most) {
    if (auto ok = check(); !ok) co_return std::unexpected(ok.error());
    Pruned out;
    std::vector<std::string> gone;
    for (const auto& [id, row] : db_->rows_) {
        const auto* rule = rule_of(rules, row.name);
        if (rule == nullptr) continue;
        if (!row.finished_at) {
            out.turns += std::erase_if(db_->history_, [&](const auto& turn) {
                return std::get<0>(turn.first) == row.key &&
                       std::get<1>(turn.first) <= row.execution - rule->executions;
            });
            continue;
        }
        const auto parent = row.parent ? db_->rows_.find(row.parent->id) : db_->rows_.end();
        const bool wanted = parent != db_->rows_.end() && !parent->second.finished_at;
        if (!wanted && *row.finished_at <= db_->now_() - rule->ended && std::ssize(gone) < most) gone.push_back(id);
    }
    for (const auto& id : gone) {
        const auto key = db_->rows_.at(id).key;
        std::erase_if(db_->history_, [&](const auto& turn) { return std::get<0>(turn.first) == key; });
        std::erase_if(db_->inbox_, [&](const auto& message) { return message.second.orchestration == id; });
        db_->requests_.erase(db_->ids_.at(key));
        db_->ids_.erase(key);
        db_->rows_.erase(id);
    }
    std::erase_if(db_->answers_, [&](const auto& a) { return a.second.at < db_->now_() - std::chrono::hours(1); });
    out.orchestrations = std::ssize(gone);
    co_return out;
}

void MemoryStore::close() {
    closed_ = true;
    notice_.cancel();
}

}  // namespace toygres::runtime
