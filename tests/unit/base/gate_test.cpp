#include "base/gate.hpp"

#include <catch2/catch.hpp>

#include <string>

namespace toygres {
namespace {

using namespace std::chrono_literals;

// Enters, tells so, and stays until `leave` is called.
asio::awaitable<void> stay(Gate& gate, std::chrono::milliseconds patience, std::string name, asio::steady_timer& leave,
                           std::string& told) {
    const auto place = co_await gate.enter(patience);
    told += place ? name : "-" + name;
    if (place) co_await leave.async_wait(use);
}

TEST_CASE("gate: as many as there are places are in, the others follow in the order in which they came") {
    asio::io_context io;
    Gate gate(io.get_executor(), 2);
    asio::steady_timer leave(io, asio::steady_timer::time_point::max());
    std::string told;
    for (const auto* name : {"a", "b", "c", "d", "e"})
        asio::co_spawn(io, stay(gate, 1h, name, leave, told), asio::detached);
    io.poll();
    CHECK(told == "ab");
    CHECK(gate.waiting() == 3);
    leave.cancel();
    io.poll();
    CHECK(told == "abcd");
    leave.cancel();
    io.poll();
    CHECK(told == "abcde");
    leave.cancel();
    io.run();
    CHECK(gate.waiting() == 0);
}

TEST_CASE("gate: who has waited long enough goes, and those behind do not wait for it") {
    asio::io_context io;
    Gate gate(io.get_executor(), 1);
    asio::steady_timer leave(io, asio::steady_timer::time_point::max());
    std::string told;
    asio::co_spawn(io, stay(gate, 1h, "a", leave, told), asio::detached);
    asio::co_spawn(io, stay(gate, 1ms, "b", leave, told), asio::detached);
    asio::co_spawn(io, stay(gate, 1h, "c", leave, told), asio::detached);
    while (told != "a-b") io.run_one();
    CHECK(gate.waiting() == 1);
    leave.cancel();
    io.poll();
    CHECK(told == "a-bc");
    leave.cancel();
    io.run();
}

TEST_CASE("gate: one that ends while it is called leaves its place to the next") {
    asio::io_context io;
    Gate gate(io.get_executor(), 1);
    asio::steady_timer leave(io, asio::steady_timer::time_point::max());
    std::string told;
    asio::cancellation_signal stop;
    asio::co_spawn(io, stay(gate, 1h, "a", leave, told), asio::detached);
    asio::co_spawn(io, stay(gate, 1h, "b", leave, told), asio::bind_cancellation_slot(stop.slot(), asio::detached));
    asio::co_spawn(io, stay(gate, 1h, "c", leave, told), asio::detached);
    io.poll();
    stop.emit(asio::cancellation_type::all);
    io.poll();
    CHECK(gate.waiting() == 1);
    leave.cancel();
    io.poll();
    CHECK(told.ends_with("c"));
    leave.cancel();
    io.run();
    CHECK(gate.waiting() == 0);
}

}  // namespace
}  // namespace toygres
