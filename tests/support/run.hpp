// Runs a coroutine to its end on an io_context of its own, or on the given one; rethrows what it throws.
#pragma once
#include "base/asio.hpp"

#include <exception>
#include <optional>

namespace toygres::test {

template <class T> T run(asio::io_context& io, asio::awaitable<T> task) {
    std::exception_ptr failure;
    if constexpr (std::is_void_v<T>) {
        bool done = false;
        asio::co_spawn(io, std::move(task), [&](std::exception_ptr e) {
            failure = e;
            done = true;
        });
        io.restart();
        while (!done && io.run_one() > 0) {
        }
        if (failure) std::rethrow_exception(failure);
    } else {
        std::optional<T> out;
        asio::co_spawn(io, std::move(task), [&](std::exception_ptr e, T value) {
            failure = e;
            out.emplace(std::move(value));
        });
        io.restart();
        while (!out && io.run_one() > 0) {
        }
        if (failure) std::rethrow_exception(failure);
        return *std::move(out);
    }
}

template <class T> T run(asio::awaitable<T> task) {
    asio::io_context io;
    return run(io, std::move(task));
}

}  // namespace toygres::test
