#include "activities/kept_sessions.hpp"

#include "support/catch.hpp"
#include "support/postgres.hpp"
#include "support/run.hpp"

using namespace toygres;
using namespace toygres::activities;
using namespace std::chrono_literals;

namespace {

asio::awaitable<KeptSessions::Session> log_in() {
    co_return value_or_raise(co_await pg::Connection::connect(test::shared_postgres().conninfo(), "", "test", 5s));
}

constexpr pg::Query end_session{"end", "SELECT pg_terminate_backend($1::int)"};

}  // namespace

TEST_CASE("kept sessions: a session is given once, until it is put back") {
    test::run([]() -> asio::awaitable<void> {
        KeptSessions sessions;
        CHECK(!sessions.take("mydb"));
        auto session = co_await log_in();
        const auto* connection = session.get();
        sessions.keep("mydb", std::move(session));
        CHECK(!sessions.take("another"));
        auto taken = sessions.take("mydb");
        CHECK(taken.get() == connection);
        CHECK(!sessions.take("mydb"));
        sessions.put_back("mydb", std::move(taken));
        CHECK(sessions.take("mydb").get() == connection);
    }());
}

TEST_CASE("kept sessions: a log-in is due after about two minutes, whatever became of the session") {
    test::run([]() -> asio::awaitable<void> {
        KeptSessions sessions;
        CHECK(sessions.login_is_due("mydb"));
        sessions.keep("mydb", co_await log_in());
        const auto at = KeptSessions::Clock::now();
        CHECK(!sessions.login_is_due("mydb"));
        CHECK(!sessions.login_is_due("mydb", at + 99s));
        CHECK(sessions.login_is_due("mydb", at + 141s));
        auto session = sessions.take("mydb");
        sessions.put_back("mydb", std::move(session));
        CHECK(sessions.login_is_due("mydb", at + 141s));
        sessions.drop("mydb");
        CHECK(sessions.login_is_due("mydb"));
    }());
}

TEST_CASE("kept sessions: a session ends with its reign") {
    test::run([]() -> asio::awaitable<void> {
        KeptSessions sessions;
        sessions.keep("mydb", co_await log_in());
        sessions.note_reign("mydb", 1);
        CHECK(!sessions.take("mydb"));
        sessions.keep("mydb", co_await log_in());
        sessions.note_reign("mydb", 1);
        auto same_reign = sessions.take("mydb");
        REQUIRE(same_reign);
        sessions.put_back("mydb", std::move(same_reign));
        sessions.note_reign("mydb", 2);
        CHECK(!sessions.take("mydb"));
    }());
}

TEST_CASE("kept sessions: one that the server has ended is not given") {
    test::run([]() -> asio::awaitable<void> {
        KeptSessions sessions;
        auto session = co_await log_in();
        auto* connection = session.get();
        const auto pid = connection->backend_pid();
        sessions.keep("mydb", std::move(session));
        auto other = co_await log_in();
        value_or_raise(co_await other->execute(end_session, pg::params(pid)));
        asio::steady_timer timer(co_await asio::this_coro::executor);
        for (const auto deadline = std::chrono::steady_clock::now() + 30s; !connection->stale();) {
            REQUIRE(std::chrono::steady_clock::now() < deadline);
            timer.expires_after(5ms);
            co_await timer.async_wait(use);
        }
        CHECK(!sessions.take("mydb"));
    }());
}
