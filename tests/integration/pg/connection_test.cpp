#include "pg/pool.hpp"
#include "support/catch.hpp"
#include "support/postgres.hpp"
#include "support/run.hpp"

#include <fmt/format.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

using namespace toygres;
using namespace std::chrono_literals;

namespace {

asio::awaitable<std::unique_ptr<pg::Connection>> connect() {
    co_return value_or_raise(co_await pg::Connection::connect(test::shared_postgres().conninfo(), "", "test", 5s));
}

constexpr pg::Query add{"add", "SELECT $1::int + $2::int, $3::text, NULL::int, now()"};
constexpr pg::Query divide{"divide", "SELECT 1 / $1::int"};
constexpr pg::Query insert{"insert", "INSERT INTO t VALUES ($1::int)"};
constexpr pg::Query count{"count", "SELECT count(*) FROM t"};

void rethrow(std::exception_ptr failure) {
    if (failure) std::rethrow_exception(failure);
}

}  // namespace

TEST_CASE("pg: typed values come back, NULL as an empty optional") {
    test::run([]() -> asio::awaitable<void> {
        auto c = co_await connect();
        const auto rows = value_or_raise(co_await c->execute(add, pg::params(2, 3, "it's \"so\"")));
        CHECK(rows[0].get<int>(0) == 5);
        CHECK(rows[0].get<std::string>(1) == "it's \"so\"");
        CHECK(!rows[0].get<std::optional<int>>(2));
        CHECK(rows[0].get<Timestamp>(3) > now() - 1min);
    }());
}

TEST_CASE("pg: a failed statement tells its SQLSTATE and leaves the session usable") {
    test::run([]() -> asio::awaitable<void> {
        auto c = co_await connect();
        for (int i = 0; i < 3; ++i) {
            const auto bad = co_await c->execute(divide, pg::params(0));
            REQUIRE(!bad);
            CHECK(pg::sqlstate_of(bad.error()) == "22012");
            CHECK(value_or_raise(co_await c->execute(divide, pg::params(1)))[0].get<int>(0) == 1);
        }
    }());
}

TEST_CASE("pg: execute_all is one transaction") {
    test::run([]() -> asio::awaitable<void> {
        auto c = co_await connect();
        value_or_raise(co_await c->run("CREATE TEMP TABLE t (v int PRIMARY KEY)"));
        std::vector<pg::Statement> good{{insert, pg::params(1)}, {insert, pg::params(2)}};
        value_or_raise(co_await c->execute_all(good));
        std::vector<pg::Statement> bad{{insert, pg::params(3)}, {insert, pg::params(2)}};
        const auto failed = co_await c->execute_all(bad);
        REQUIRE(!failed);
        CHECK(failed.error().code == "unique_violation");
        CHECK(failed.error().details.at("statement") == 1);
        CHECK(pg::constraint_of(failed.error()) == "t_pkey");
        CHECK(value_or_raise(co_await c->execute(count))[0].get<int>(0) == 2);
    }());
}

TEST_CASE("pg: a transaction rolls back and a statement first prepared in a failed one still works") {
    test::run([]() -> asio::awaitable<void> {
        auto c = co_await connect();
        value_or_raise(co_await c->run("CREATE TEMP TABLE t (v int PRIMARY KEY)"));
        value_or_raise(co_await c->begin());
        CHECK(!(co_await c->execute(divide, pg::params(0))));
        CHECK(!(co_await c->execute(insert, pg::params(1))));
        co_await c->rollback();
        CHECK(!c->in_transaction());
        value_or_raise(co_await c->execute(insert, pg::params(1)));
        CHECK(value_or_raise(co_await c->execute(divide, pg::params(1)))[0].get<int>(0) == 1);
    }());
}

TEST_CASE("pg: a terminated session is transient and broken for good; the pool replaces it") {
    test::run([]() -> asio::awaitable<void> {
        const auto executor = co_await asio::this_coro::executor;
        auto pool =
            std::make_shared<pg::Pool>(executor, pg::PoolOptions{.conninfo = test::shared_postgres().conninfo()});
        {
            auto lease = value_or_raise(co_await pool->acquire());
            auto killer = co_await connect();
            value_or_raise(co_await killer->run(fmt::format("SELECT pg_terminate_backend({})", lease->backend_pid())));
            const auto lost = co_await lease->execute(divide, pg::params(1));
            REQUIRE(!lost);
            CHECK(lost.error().kind == ErrorKind::transient);
            CHECK(lease->broken());
        }
        CHECK(value_or_raise(co_await pool->execute(divide, pg::params(1)))[0].get<int>(0) == 1);
    }());
}

TEST_CASE("pg: who waits for a session of the pool gets it in order, past those who come later") {
    asio::io_context io;
    auto pool = std::make_shared<pg::Pool>(
        io.get_executor(), pg::PoolOptions{.conninfo = test::shared_postgres().conninfo(), .connections_max = 1});
    std::vector<std::string> order;
    const auto take = [&](std::string name) -> asio::awaitable<void> {
        auto lease = value_or_raise(co_await pool->acquire());
        order.push_back(name);
        value_or_raise(co_await lease->execute(divide, pg::params(1)));
    };
    // Comes in the moment in which the first gives its session back, before the second has resumed.
    const auto first = [&]() -> asio::awaitable<void> {
        {
            auto lease = value_or_raise(co_await pool->acquire());
            while (pool->waiting() < 2) co_await asio::post(io, asio::use_awaitable);
        }
        CHECK(pool->waiting() == 1);
        CHECK(pool->idle() == 0);
        co_await take("late");
    };
    asio::co_spawn(io, first(), rethrow);
    asio::co_spawn(io, take("second"), rethrow);
    asio::co_spawn(io, take("third"), rethrow);
    io.run();
    CHECK(order == std::vector<std::string>{"second", "third", "late"});
    CHECK(pool->idle() == 1);
}

TEST_CASE("pg: a session that was handed to somebody who does not want it any more goes to the next") {
    asio::io_context io;
    auto pool = std::make_shared<pg::Pool>(
        io.get_executor(), pg::PoolOptions{.conninfo = test::shared_postgres().conninfo(), .connections_max = 1});
    asio::cancellation_signal give_up;
    bool served = false;
    const auto use_once = [&](bool& done) -> asio::awaitable<void> {
        const auto lease = value_or_raise(co_await pool->acquire());
        done = true;
    };
    bool unwanted = false;
    const auto first = [&]() -> asio::awaitable<void> {
        {
            auto lease = value_or_raise(co_await pool->acquire());
            while (pool->waiting() < 2) co_await asio::post(io, asio::use_awaitable);
        }
        give_up.emit(asio::cancellation_type::terminal);
    };
    asio::co_spawn(io, first(), rethrow);
    asio::co_spawn(io, use_once(unwanted), asio::bind_cancellation_slot(give_up.slot(), [](std::exception_ptr) {}));
    asio::co_spawn(io, use_once(served), rethrow);
    io.run();
    CHECK(served);
    CHECK(pool->in_use() == 0);
}

TEST_CASE("pg: a result larger than any buffer and a large parameter pass") {
    test::run([]() -> asio::awaitable<void> {
        auto c = co_await connect();
        constexpr pg::Query echo{"echo", "SELECT $1::text || repeat('y', 3000000)"};
        const auto rows = value_or_raise(co_await c->execute(echo, pg::params(std::string(3'000'000, 'x'))));
        CHECK(rows[0].text(0).size() == 6'000'000);
    }());
}

TEST_CASE("pg: notifications arrive") {
    test::run([]() -> asio::awaitable<void> {
        auto listener = co_await connect();
        auto sender = co_await connect();
        value_or_raise(co_await listener->run("LISTEN toygres_test"));
        value_or_raise(co_await sender->run("NOTIFY toygres_test, 'hello'"));
        const auto n = value_or_raise(co_await listener->notification());
        CHECK(n.channel == "toygres_test");
        CHECK(n.payload == "hello");
    }());
}

TEST_CASE("pg: an unreachable server and a wrong database have different kinds") {
    test::run([]() -> asio::awaitable<void> {
        const auto away = co_await pg::Connection::connect("host=127.0.0.1 port=1 user=x dbname=x", "", "test", 2s);
        CHECK(away.error().kind == ErrorKind::transient);
        const auto absent =
            co_await pg::Connection::connect(test::shared_postgres().conninfo("no_such"), "", "test", 2s);
        CHECK(absent.error().kind == ErrorKind::forbidden);
        const auto bad = co_await pg::Connection::connect("host=", "nonsense'", "test", 2s);
        CHECK(!bad);
    }());
}

TEST_CASE("pg: array literals quote what has to be quoted") {
    CHECK(pg::array_literal(std::vector<std::string>{"a\"b\\c", "", "NULL"}) == R"({"a\"b\\c","","NULL"})");
    CHECK(pg::array_literal(std::vector<std::optional<std::string>>{std::nullopt, "x"}) == R"({NULL,"x"})");
    CHECK(pg::array_literal(std::vector<std::int64_t>{1, -2}) == "{1,-2}");
}

namespace {

// Of this process' sockets that are connected to that port: TCP_USER_TIMEOUT and TCP_KEEPIDLE.
std::optional<std::pair<int, int>> patience_with_port(int port) {
    for (int fd = 3; fd < 1024; ++fd) {
        sockaddr_in peer{};
        socklen_t length = sizeof peer;
        if (::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &length) != 0 || ntohs(peer.sin_port) != port)
            continue;
        int user_timeout = 0;
        int idle = 0;
        length = sizeof user_timeout;
        REQUIRE(::getsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &user_timeout, &length) == 0);
        REQUIRE(::getsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, &length) == 0);
        return std::pair(user_timeout, idle);
    }
    return std::nullopt;
}

}  // namespace

TEST_CASE("pg: a session whose other end is gone is given up in seconds, or as the connection string says") {
    asio::io_context io;
    const asio::ip::tcp::acceptor silent(io, {asio::ip::make_address("127.0.0.1"), 0});
    const int port = silent.local_endpoint().port();
    const auto seen = [&](const std::string& more) {
        bool ended = false;
        asio::cancellation_signal cancel;
        asio::co_spawn(
            io,
            pg::Connection::connect(fmt::format("host=127.0.0.1 port={} user=x dbname=x {}", port, more), "", "test",
                                    30s),
            asio::bind_cancellation_slot(cancel.slot(), [&](std::exception_ptr, const auto&) { ended = true; }));
        std::optional<std::pair<int, int>> out;
        while (!out && !ended) {
            io.run_one();
            out = patience_with_port(port);
        }
        cancel.emit(asio::cancellation_type::all);
        while (!ended && io.run_one() > 0) continue;
        io.restart();
        return out;
    };
    CHECK(seen("") == std::pair(10'000, 5));
    CHECK(seen("tcp_user_timeout=60000 keepalives_idle=7") == std::pair(60'000, 7));
}

// What the sanitizers see: a deadline that is due when its connect is told to end runs its handler after that.
TEST_CASE("pg: a connect that is cancelled as its time is over leaves nothing behind that still writes") {
    asio::io_context io;
    const asio::ip::tcp::acceptor silent(io, {asio::ip::make_address("127.0.0.1"), 0});
    const auto conninfo = fmt::format("host=127.0.0.1 port={} user=x dbname=x", silent.local_endpoint().port());
    asio::cancellation_signal cancel;
    bool ended = false;
    asio::co_spawn(io, pg::Connection::connect(conninfo, "", "test", 1s),
                   asio::bind_cancellation_slot(cancel.slot(), [&](std::exception_ptr, const auto&) { ended = true; }));
    const auto began = std::chrono::steady_clock::now();
    while (std::chrono::steady_clock::now() < began + 50ms) io.poll();
    CHECK_FALSE(ended);
    // The time passes while no handler runs.
    while (std::chrono::steady_clock::now() < began + 1'010ms) continue;
    cancel.emit(asio::cancellation_type::all);
    while (!ended && io.run_one() > 0) continue;
    io.restart();
    io.poll();
    CHECK(ended);
}
