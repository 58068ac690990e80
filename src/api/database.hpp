// Work on the CMS. Reads outlast a session that broke: a restart of the database must not show in an answer.
#pragma once
#include "pg/pool.hpp"

#include <chrono>
#include <iterator>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace toygres::api {

// The wait before attempt `next` (from 1) of something that met a transient error; nullopt: give up.
inline std::optional<std::chrono::milliseconds> pause_before(int next) {
    constexpr int pauses_ms[] = {0, 50, 200, 500, 1000};
    if (next >= static_cast<int>(std::size(pauses_ms))) return std::nullopt;
    return std::chrono::milliseconds(pauses_ms[next]);
}

// What F(connection), an awaitable<Result<T>>, gives: Result<T> and T.
template <class F> using StatementResult = typename std::invoke_result_t<F&, pg::Connection&>::value_type;
template <class F> using StatementValue = typename StatementResult<F>::value_type;

// Runs a statement that may be repeated until it ends other than by a transient error, for about two seconds.
template <class F> asio::awaitable<StatementResult<F>> query(std::shared_ptr<pg::Pool> pool, F statement) {
    for (int attempt = 1;; ++attempt) {
        StatementResult<F> out;
        {
            auto lease = co_await pool->acquire();
            if (lease)
                out = co_await statement(**lease);
            else
                out = std::unexpected(std::move(lease).error());
        }
        if (out || out.error().kind != ErrorKind::transient || out.error().code == "pool_exhausted") co_return out;
        const auto pause = pause_before(attempt);
        if (!pause) co_return out;
        asio::steady_timer timer(co_await asio::this_coro::executor, *pause);
        co_await timer.async_wait(use);
    }
}

// Runs statements in one transaction, which commits when they succeed. An error of the commit leaves the outcome
// unknown.
template <class F> asio::awaitable<StatementResult<F>> transact(std::shared_ptr<pg::Pool> pool, F statements) {
    auto lease = co_await pool->acquire();
    if (!lease) co_return std::unexpected(std::move(lease).error());
    if (auto begun = co_await (*lease)->begin(); !begun) co_return std::unexpected(std::move(begun).error());
    auto out = co_await statements(**lease);
    if (!out) {
        co_await (*lease)->rollback();
        co_return out;
    }
    if (auto committed = co_await (*lease)->commit(); !committed)
        co_return std::unexpected(std::move(committed).error());
    co_return out;
}

}  // namespace toygres::api
