// The scripted database: one memory database that acts at once when a call reaches it, and the judge who watches it.
#pragma once
#include "base/assert.hpp"
#include "checker.hpp"
#include "runtime/store/memory_store.hpp"
#include "timeline.hpp"
#include "trace.hpp"
#include "weather.hpp"

namespace toygres::sim {

// Runs what does not wait to its end.
template <class T> T at_once(asio::io_context& io, asio::awaitable<T> task) {
    std::optional<T> out;
    asio::co_spawn(io, std::move(task), [&](std::exception_ptr failure, T value) {
        if (failure) std::rethrow_exception(failure);
        out.emplace(std::move(value));
    });
    io.restart();
    io.poll();
    TG_ASSERT(out.has_value());
    return *std::move(out);
}

// For those that give nothing but an error.
inline asio::awaitable<Result<Nothing>> told(asio::awaitable<Result<void>> task) {
    if (auto out = co_await std::move(task); !out) co_return std::unexpected(std::move(out).error());
    co_return Nothing{};
}

struct Database {
    Database(Random random, std::size_t lines_kept)
        : trace(timeline, lines_kept),
          weather(random),
          memory(std::make_shared<MemoryDatabase>([this] { return timeline.now(); })),
          inspector(io.get_executor(), memory) {}

    template <class T> T now(asio::awaitable<Result<T>> task) { return value_or_raise(at_once(io, std::move(task))); }
    std::vector<Message> inbox() { return now(inspector.load_inbox(all_shards())); }
    std::vector<OrchestrationRow> rows() { return now(inspector.list({.limit = 100'000})); }
    // Puts a message into the inbox without fail.
    void tell(Message message) {
        trace.add("users", "tell " + message.orchestration);
        if (auto sent = at_once(io, told(inspector.send(std::move(message)))); !sent)
            checker.breaks("users are answered", sent.error().message);
    }
    static std::vector<int> all_shards() {
        std::vector<int> out(shard_count);
        for (int i = 0; i < shard_count; ++i) out[static_cast<std::size_t>(i)] = i;
        return out;
    }

    asio::io_context io;
    Timeline timeline;
    Trace trace;
    Weather weather;
    Checker checker;
    std::shared_ptr<MemoryDatabase> memory;
    MemoryStore inspector;  // sees all of it, in no time
};

}  // namespace toygres::sim
