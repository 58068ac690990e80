#include "base/event.hpp"
#include "unit/http/fixture.hpp"

#include <set>

using namespace toygres;
using namespace toygres::http;
using namespace toygres::http::test;
using asio::ip::tcp;

TEST_CASE("client: sends and receives, and uses one connection again") {
    asio::io_context io;
    std::set<std::string> peers;
    Server server(io, {}, [&](Exchange& exchange) -> asio::awaitable<void> {
        peers.insert(exchange.request().peer);
        return echo(exchange);
    });
    server.start();
    Client client(io.get_executor(), {.base_url = url_of(server) + "/base/"});
    const auto body = [](Client& c) -> asio::awaitable<void> {
        for (int i = 0; i < 5; ++i) {
            const auto response = co_await c.send({.method = "POST", .target = "/x?q=1", .body = "data"}, 10s);
            REQUIRE(response);
            CHECK(response->status == 200);
            CHECK(response->headers.get("content-type") == "text/plain");
            CHECK(response->body == "POST /base/x?q=1 data");
        }
        const auto head = co_await c.send({.method = "HEAD", .target = "/"}, 10s);
        REQUIRE(head);
        CHECK(head->body.empty());
    };
    run(io, body(client));
    CHECK(peers.size() == 1);
}

TEST_CASE("client: no more connections than allowed; further requests wait for a free one") {
    asio::io_context io;
    std::set<std::string> peers;
    int now = 0;
    int most = 0;
    Server server(io, {}, [&](Exchange& exchange) -> asio::awaitable<void> {
        peers.insert(exchange.request().peer);
        most = std::max(most, ++now);
        asio::steady_timer pause(co_await asio::this_coro::executor, 5ms);
        co_await pause.async_wait(asio::use_awaitable);
        --now;
        co_await echo(exchange);
    });
    server.start();
    Client client(io.get_executor(), {.base_url = url_of(server), .connections_max = 2});
    int done = 0;
    const auto one = [](Client& c, int& count) -> asio::awaitable<void> {
        CHECK((co_await c.send(get("/"), 10s)).has_value());
        ++count;
    };
    const auto body = [&]() -> asio::awaitable<void> {
        using namespace asio::experimental::awaitable_operators;
        co_await (one(client, done) && one(client, done) && one(client, done) && one(client, done) &&
                  one(client, done));
    };
    run(io, body());
    CHECK(done == 5);
    CHECK(most == 2);
    CHECK(peers.size() == 2);
}

TEST_CASE("client: nobody listens, nobody answers, nobody is free in time") {
    asio::io_context io;
    tcp::acceptor silent(io, tcp::endpoint(asio::ip::make_address("127.0.0.1"), 0));
    const auto closed_port = [&] {
        tcp::acceptor brief(io, tcp::endpoint(asio::ip::make_address("127.0.0.1"), 0));
        return brief.local_endpoint().port();
    }();
    Client nobody(io.get_executor(), {.base_url = "http://127.0.0.1:" + std::to_string(closed_port)});
    Client mute(io.get_executor(), {.base_url = "http://127.0.0.1:" + std::to_string(silent.local_endpoint().port()),
                                    .connections_max = 1});
    const auto body = [](Client& refused, Client& hanging) -> asio::awaitable<void> {
        const auto none = co_await refused.send(get("/"), 10s);
        REQUIRE(!none);
        CHECK(none.error().code == "connect_failed");
        CHECK(none.error().kind == ErrorKind::transient);
        const auto late = co_await hanging.send(get("/"), 50ms);
        REQUIRE(!late);
        CHECK(late.error().code == "request_timed_out");
        CHECK(late.error().kind == ErrorKind::timeout);
        using namespace asio::experimental::awaitable_operators;
        const auto [first, second] = co_await (hanging.send(get("/"), 200ms) && hanging.send(get("/"), 50ms));
        CHECK(first.error().code == "request_timed_out");
        CHECK(second.error().code == "request_timed_out");
    };
    run(io, body(nobody, mute));
}

TEST_CASE("client: a pooled connection that died is replaced, silently for idempotent methods") {
    asio::io_context io;
    // Takes one request a connection, answers it as keep-alive, and drops the connection at the second.
    tcp::acceptor acceptor(io, tcp::endpoint(asio::ip::make_address("127.0.0.1"), 0));
    int connections = 0;
    const auto rude = [](tcp::acceptor& a, int& count) -> asio::awaitable<void> {
        while (true) {
            auto socket = co_await a.async_accept(asio::use_awaitable);
            ++count;
            std::string request;
            co_await asio::async_read_until(socket, asio::dynamic_buffer(request), "\r\n\r\n", use);
            co_await asio::async_write(
                socket, asio::buffer(std::string("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")), use);
            co_await asio::async_read_until(socket, asio::dynamic_buffer(request), "again", use);
        }
    };
    asio::co_spawn(io, rude(acceptor, connections), asio::detached);
    Client client(io.get_executor(),
                  {.base_url = "http://127.0.0.1:" + std::to_string(acceptor.local_endpoint().port())});
    const auto body = [](Client& c) -> asio::awaitable<void> {
        CHECK((co_await c.send(get("/"), 10s)).value().body == "ok");
        CHECK((co_await c.send(get("/again"), 10s)).value().body == "ok");
        const auto post = co_await c.send({.method = "POST", .target = "/again"}, 10s);
        REQUIRE(!post);
        CHECK(post.error().code == "connection_lost");
    };
    run(io, body(client));
    CHECK(connections == 2);
}

TEST_CASE("client: a stream hands over pieces, stops when told, collects an error's body") {
    asio::io_context io;
    Server server(io, {}, [&](Exchange& exchange) -> asio::awaitable<void> {
        if (exchange.request().target == "/bad") co_return co_await exchange.respond({410, {}, "too old"});
        co_await exchange.begin_stream(200, {});
        for (int i = 0; i < 3; ++i)
            if (!co_await exchange.write("piece" + std::to_string(i) + ";")) co_return;
        if (exchange.request().target == "/endless") co_await exchange.closed();
    });
    server.start();
    Client client(io.get_executor(), {.base_url = url_of(server)});
    const auto body = [](Client& c) -> asio::awaitable<void> {
        std::string got;
        const auto whole = co_await c.stream(get("/"), 10s, [&](std::string_view piece) {
            got += piece;
            return true;
        });
        REQUIRE(whole);
        CHECK(got == "piece0;piece1;piece2;");
        got.clear();
        const auto stopped = co_await c.stream(get("/endless"), 10s, [&](std::string_view piece) {
            got += piece;
            return got.find("piece2;") == std::string::npos;
        });
        CHECK(stopped.has_value());
        const auto bad = co_await c.stream(get("/bad"), 10s, [](std::string_view) { return true; });
        REQUIRE(bad);
        CHECK(bad->status == 410);
        CHECK(bad->body == "too old");
        const auto silent = co_await c.stream(get("/endless"), 50ms, [](std::string_view) { return true; });
        REQUIRE(!silent);
        CHECK(silent.error().code == "request_timed_out");
    };
    run(io, body(client));
}

TEST_CASE("client: a stopped server shows as a lost or refused connection") {
    asio::io_context io;
    Event started(io.get_executor());
    Server server(io, {}, [&](Exchange& exchange) -> asio::awaitable<void> {
        if (exchange.request().target == "/") co_return co_await echo(exchange);
        started.notify();
        Event never(co_await asio::this_coro::executor);
        co_await never.wait();
    });
    server.start();
    Client client(io.get_executor(), {.base_url = url_of(server)});
    const auto stop_later = [](Server& s, Event& begun) -> asio::awaitable<void> {
        co_await begun.wait();
        co_await s.stop(1ms);
    };
    const auto body = [&]() -> asio::awaitable<void> {
        CHECK((co_await client.send(get("/"), 10s)).has_value());
        using namespace asio::experimental::awaitable_operators;
        const auto hung =
            co_await (client.send({.method = "POST", .target = "/hang"}, 10s) && stop_later(server, started));
        REQUIRE(!hung);
        CHECK(hung.error().code == "connection_lost");
        CHECK((co_await client.send(get("/"), 10s)).error().code == "connect_failed");
    };
    run(io, body());
}

TEST_CASE("client: a body above the limit is an error, not memory") {
    asio::io_context io;
    Server server(io, {}, [](Exchange& exchange) -> asio::awaitable<void> {
        co_await exchange.respond({200, {}, std::string(2000, 'x')});
    });
    server.start();
    Client client(io.get_executor(), {.base_url = url_of(server), .body_limit_bytes = 1000});
    const auto body = [](Client& c) -> asio::awaitable<void> {
        CHECK((co_await c.send(get("/"), 10s)).error().code == "response_too_large");
    };
    run(io, body(client));
}

TEST_CASE("client: cancelling the caller gives the connection back") {
    asio::io_context io;
    Server server(io, {}, [](Exchange& exchange) -> asio::awaitable<void> {
        if (exchange.request().target == "/") co_return co_await echo(exchange);
        co_await exchange.closed();
        co_await exchange.respond({200, {}, ""});
    });
    server.start();
    Client client(io.get_executor(), {.base_url = url_of(server), .connections_max = 1});
    const auto body = [&]() -> asio::awaitable<void> {
        asio::steady_timer soon(io, 20ms);
        using namespace asio::experimental::awaitable_operators;
        const auto winner = co_await (client.send(get("/hang"), 50s) || soon.async_wait(asio::use_awaitable));
        CHECK(winner.index() == 1);
        CHECK((co_await client.send(get("/"), 10s)).has_value());
    };
    run(io, body());
}

TEST_CASE("client: URLs that are none are refused") {
    asio::io_context io;
    for (const char* url : {"", "ftp://x", "127.0.0.1:80", "http://"}) {
        INFO(url);
        std::string code;
        try {
            Client client(io.get_executor(), {.base_url = url});
        } catch (const ErrorException& e) {
            code = e.error().code;
        }
        CHECK(code == "invalid_url");
    }
}
