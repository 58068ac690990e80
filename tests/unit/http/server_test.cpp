#include "base/event.hpp"
#include "unit/http/fixture.hpp"

using namespace toygres;
using namespace toygres::http;
using namespace toygres::http::test;
using asio::ip::tcp;

namespace {

asio::awaitable<tcp::socket> connect(const Server& server) {
    tcp::socket socket(co_await asio::this_coro::executor);
    co_await socket.async_connect({asio::ip::make_address("127.0.0.1"), server.port()}, asio::use_awaitable);
    co_return socket;
}

asio::awaitable<void> send_text(tcp::socket& socket, std::string text) {
    co_await asio::async_write(socket, asio::buffer(text), asio::use_awaitable);
}

// All that comes until the server closes.
asio::awaitable<std::string> read_all(tcp::socket& socket) {
    std::string out;
    co_await asio::async_read(socket, asio::dynamic_buffer(out), use);
    co_return out;
}

asio::awaitable<std::string> read_until(tcp::socket& socket, std::string mark) {
    std::string out;
    co_await asio::async_read_until(socket, asio::dynamic_buffer(out), mark, use);
    co_return out;
}

asio::awaitable<std::string> talk(const Server& server, std::string text) {
    auto socket = co_await connect(server);
    co_await send_text(socket, std::move(text));
    co_return co_await read_all(socket);
}

bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("server: pipelined requests are answered in order on one connection") {
    asio::io_context io;
    Server server(io, {}, echo);
    server.start();
    const auto body = [](const Server& s) -> asio::awaitable<void> {
        const auto text = co_await talk(s,
                                        "GET /1 HTTP/1.1\r\nHost: x\r\n\r\n"
                                        "POST /2 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
                                        "GET /3 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        CHECK(has(text, "GET /1 "));
        CHECK(text.find("POST /2 abc") > text.find("GET /1 "));
        CHECK(text.find("GET /3 ") > text.find("POST /2 abc"));
        CHECK(has(text, "Connection: close"));
    };
    run(io, body(server));
}

TEST_CASE("server: what breaks a limit is answered by the error page and the connection closes") {
    asio::io_context io;
    ServerOptions options;
    options.body_limit_bytes = 100;
    options.header_limit_bytes = 1000;
    options.error_page = [](int status, std::string_view) -> Response {
        return {status, {{"Content-Type", "application/problem+json"}}, "page " + std::to_string(status)};
    };
    Server server(io, options, echo);
    server.start();
    const auto body = [](const Server& s) -> asio::awaitable<void> {
        CHECK(has(co_await talk(s, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 101\r\n\r\n" + std::string(101, 'x')),
                  "page 413"));
        CHECK(has(co_await talk(s, "GET / HTTP/1.1\r\nX: " + std::string(2000, 'x') + "\r\n\r\n"), "page 431"));
        const auto nonsense = co_await talk(s, "hello, is this SMTP?\r\n\r\n");
        CHECK(nonsense.starts_with("HTTP/1.1 400 Bad Request\r\n"));
        CHECK(has(nonsense, "page 400"));
        CHECK(has(nonsense, "Connection: close"));
    };
    run(io, body(server));
}

TEST_CASE("server: a request that arrives too slowly is answered 408, an idle connection is closed silently") {
    asio::io_context io;
    ServerOptions options;
    options.header_timeout = 50ms;
    options.idle_timeout = 50ms;
    Server server(io, options, echo);
    server.start();
    const auto body = [](const Server& s) -> asio::awaitable<void> {
        CHECK(has(co_await talk(s, "GET / HTTP/1.1\r\nHos"), "HTTP/1.1 408 "));
        CHECK((co_await talk(s, "")).empty());
    };
    run(io, body(server));
}

TEST_CASE("server: 100-continue is answered before the body is read") {
    asio::io_context io;
    Server server(io, {}, echo);
    server.start();
    const auto body = [](const Server& s) -> asio::awaitable<void> {
        auto socket = co_await connect(s);
        co_await send_text(socket, "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
        CHECK(co_await read_until(socket, "\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n");
        co_await send_text(socket, "ok");
        CHECK(has(co_await read_until(socket, "PUT / ok"), "200 OK"));
    };
    run(io, body(server));
}

TEST_CASE("server: a handler that throws or answers nothing gives 500 with a code only") {
    asio::io_context io;
    Server server(io, {}, [](Exchange& exchange) -> asio::awaitable<void> {
        if (exchange.request().target == "/throws") raise(ErrorKind::internal, "broken_thing", "with private words");
        co_return;
    });
    server.start();
    const auto body = [](const Server& s) -> asio::awaitable<void> {
        const auto thrown = co_await talk(s, "GET /throws HTTP/1.0\r\n\r\n");
        CHECK(has(thrown, "HTTP/1.1 500 "));
        CHECK(has(thrown, "broken_thing"));
        CHECK(!has(thrown, "private"));
        CHECK(has(co_await talk(s, "GET /silent HTTP/1.0\r\n\r\n"), "no_answer"));
    };
    run(io, body(server));
}

TEST_CASE("server: HEAD gets the length and no body") {
    asio::io_context io;
    Server server(io, {}, echo);
    server.start();
    const auto body = [](const Server& s) -> asio::awaitable<void> {
        const auto text = co_await talk(s, "HEAD /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        CHECK(has(text, "Content-Length: 8\r\n"));
        CHECK(text.ends_with("\r\n\r\n"));
    };
    run(io, body(server));
}

TEST_CASE("server: a line break in an answer's field cannot start another field") {
    asio::io_context io;
    Server server(io, {}, [](Exchange& exchange) -> asio::awaitable<void> {
        co_await exchange.respond({200, {{"X-Name", "a\r\nSet-Cookie: b"}}, ""});
    });
    server.start();
    const auto body = [](const Server& s) -> asio::awaitable<void> {
        const auto text = co_await talk(s, "GET / HTTP/1.0\r\n\r\n");
        CHECK(!has(text, "\nSet-Cookie"));
    };
    run(io, body(server));
}

TEST_CASE("server: a stream learns that its client is gone") {
    asio::io_context io;
    Event ended(io.get_executor());
    bool told = false;
    Server server(io, {}, [&](Exchange& exchange) -> asio::awaitable<void> {
        co_await exchange.begin_stream(200, {});
        co_await exchange.write("first");
        co_await exchange.closed();
        told = true;
        ended.notify();
    });
    server.start();
    const auto body = [](const Server& s, Event& end) -> asio::awaitable<void> {
        {
            auto socket = co_await connect(s);
            co_await send_text(socket, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
            CHECK(has(co_await read_until(socket, "first\r\n"), "Transfer-Encoding: chunked"));
        }
        co_await end.wait();
    };
    run(io, body(server, ended));
    CHECK(told);
}

TEST_CASE("server: a client that does not read is cut off, and no more is kept for it than is being written") {
    asio::io_context io;
    Event ended(io.get_executor());
    bool cut_off = false;
    Server server(io, {.idle_timeout = 100ms}, [&](Exchange& exchange) -> asio::awaitable<void> {
        co_await exchange.begin_stream(200, {});
        const std::string piece(64 << 10, 'x');
        while (co_await exchange.write(piece)) {
        }
        cut_off = true;
        ended.notify();
    });
    server.start();
    const auto body = [](const Server& s, Event& end) -> asio::awaitable<void> {
        auto socket = co_await connect(s);
        co_await send_text(socket, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        co_await end.wait();
        // It gets what was on its way, and no end that would look like one.
        const auto text = co_await read_all(socket);
        CHECK(has(text, "200 OK"));
        CHECK_FALSE(text.ends_with("\r\n0\r\n\r\n"));
    };
    run(io, body(server, ended));
    CHECK(cut_off);
}

TEST_CASE("server: bytes that come during a stream are the next request") {
    asio::io_context io;
    Server server(io, {}, [&](Exchange& exchange) -> asio::awaitable<void> {
        if (exchange.request().target != "/stream") co_return co_await echo(exchange);
        co_await exchange.begin_stream(200, {});
        co_await exchange.write("piece");
        asio::steady_timer pause(co_await asio::this_coro::executor, 20ms);
        using namespace asio::experimental::awaitable_operators;
        co_await (exchange.closed() || pause.async_wait(asio::use_awaitable));
    });
    server.start();
    const auto body = [](const Server& s) -> asio::awaitable<void> {
        auto socket = co_await connect(s);
        co_await send_text(socket, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
        co_await read_until(socket, "piece\r\n");
        co_await send_text(socket, "GET /next HTTP/1.1\r\nHost: x\r\n\r\n");
        CHECK(has(co_await read_until(socket, "GET /next"), "200 OK"));
    };
    run(io, body(server));
}

TEST_CASE("server: stop ends idle connections at once, wakes streams, lets a request finish") {
    asio::io_context io;
    Event started(io.get_executor());
    Event finish(io.get_executor());
    Server server(io, {}, [&](Exchange& exchange) -> asio::awaitable<void> {
        const auto target = exchange.request().target;
        if (target == "/stream") {
            co_await exchange.begin_stream(200, {});
            co_await exchange.write("piece");
            co_return co_await exchange.closed();
        }
        if (target == "/slow") {
            started.notify();
            co_await finish.wait();
        }
        co_await echo(exchange);
    });
    server.start();
    const auto body = [](Server& s, Event& slow_started, Event& slow_finish) -> asio::awaitable<void> {
        auto idle = co_await connect(s);
        co_await send_text(idle, "GET /idle HTTP/1.1\r\nHost: x\r\n\r\n");
        co_await read_until(idle, "GET /idle");
        auto stream = co_await connect(s);
        co_await send_text(stream, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
        co_await read_until(stream, "piece\r\n");
        auto slow = co_await connect(s);
        co_await send_text(slow, "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
        co_await slow_started.wait();

        bool stopped = false;
        Event stop_done(co_await asio::this_coro::executor);
        asio::co_spawn(co_await asio::this_coro::executor, s.stop(30s), [&](std::exception_ptr) {
            stopped = true;
            stop_done.notify();
        });
        CHECK((co_await read_all(idle)).empty());
        CHECK(co_await read_all(stream) == "0\r\n\r\n");
        CHECK(!stopped);
        slow_finish.notify();
        CHECK(has(co_await read_all(slow), "GET /slow"));
        if (!stopped) co_await stop_done.wait();
    };
    run(io, body(server, started, finish));
}

TEST_CASE("server: stop aborts what outlasts the grace") {
    asio::io_context io;
    Event never(io.get_executor());
    Event started(io.get_executor());
    Server server(io, {}, [&](Exchange&) -> asio::awaitable<void> {
        started.notify();
        while (true) co_await never.wait();
    });
    server.start();
    const auto body = [](Server& s, Event& begun) -> asio::awaitable<void> {
        auto socket = co_await connect(s);
        co_await send_text(socket, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        co_await begun.wait();
        co_await s.stop(10ms);
        CHECK((co_await read_all(socket)).empty());
    };
    run(io, body(server, started));
}

TEST_CASE("server: an address in use or not local is refused by name") {
    asio::io_context io;
    Server first(io, {}, echo);
    const auto code_of = [&](ServerOptions options) {
        try {
            Server second(io, options, echo);
        } catch (const ErrorException& e) {
            return e.error().code;
        }
        return std::string("bound");
    };
    CHECK(code_of({.port = first.port()}) == "address_unusable");
    CHECK(code_of({.address = "192.0.2.1"}) == "address_unusable");
    CHECK(code_of({.address = "nowhere"}) == "address_unusable");
    CHECK(code_of({.tls = ServerTls{"not", "pem", "", false}}) == "bad_tls");
}

TEST_CASE("server: above connections_max a connection is answered 503") {
    asio::io_context io;
    Server server(io, {.connections_max = 1}, echo);
    server.start();
    const auto body = [](const Server& s) -> asio::awaitable<void> {
        auto first = co_await connect(s);
        co_await send_text(first, "GET /1 HTTP/1.1\r\nHost: x\r\n\r\n");
        co_await read_until(first, "GET /1");
        CHECK(has(co_await talk(s, ""), "HTTP/1.1 503 "));
    };
    run(io, body(server));
}

TEST_CASE("server: a WebSocket is accepted with its subprotocol, echoes, and closes with a reason") {
    asio::io_context io;
    Server server(io, {}, [](Exchange& exchange) -> asio::awaitable<void> {
        auto socket = co_await exchange.upgrade("v5.channel.k8s.io");
        if (!socket) co_return co_await exchange.respond({400, {}, "not a WebSocket"});
        while (auto message = co_await socket->read()) {
            if (message->data == "bye") break;
            co_await socket->write({message->binary, "<" + message->data + ">"});
        }
        co_await socket->close("done");
    });
    server.start();
    const auto body = [](const Server& s) -> asio::awaitable<void> {
        CHECK(has(co_await talk(s, "GET / HTTP/1.0\r\n\r\n"), "not a WebSocket"));
        auto socket = co_await connect(s);
        co_await send_text(socket,
                           "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                           "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
        const auto head = co_await read_until(socket, "\r\n\r\n");
        CHECK(head.starts_with("HTTP/1.1 101 "));
        CHECK(has(head, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        CHECK(has(head, "Sec-WebSocket-Protocol: v5.channel.k8s.io"));
        // Frames with a mask of zeros: binary "hi", then text "bye", then our close.
        const std::string mask(4, '\0');
        co_await send_text(socket, "\x82\x82" + mask + "hi" + "\x81\x83" + mask + "bye" + "\x88\x80" + mask);
        const auto answer = co_await read_all(socket);
        CHECK(answer == std::string("\x82\x04<hi>\x88\x06\x03\xe8") + "done");
    };
    run(io, body(server));
}

TEST_CASE("server: an upgrade to a protocol of the handler's own hands over the bytes, early ones first") {
    asio::io_context io;
    Server server(io, {}, [](Exchange& exchange) -> asio::awaitable<void> {
        auto stream = co_await exchange.upgrade_to("SPDY/3.1", {{"X-Stream-Protocol-Version", "v4"}});
        if (!stream) co_return co_await exchange.respond({400, {}, "not SPDY"});
        for (auto bytes = co_await stream->read(); !bytes.empty(); bytes = co_await stream->read()) {
            co_await stream->write("<" + bytes + ">");
            if (bytes == "bye") stream->shutdown_send();
        }
        CHECK(!co_await stream->write("to nobody"));
    });
    server.start();
    const auto body = [](const Server& s) -> asio::awaitable<void> {
        CHECK(has(co_await talk(s, "GET / HTTP/1.0\r\nUpgrade: SPDY/3.1\r\n\r\n"), "not SPDY"));
        CHECK(has(co_await talk(s, "GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: other\r\n\r\n"), "not SPDY"));
        auto socket = co_await connect(s);
        co_await send_text(socket,
                           "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: keep-alive, Upgrade\r\n"
                           "Upgrade: spdy/3.1\r\n\r\nearly");
        const auto head = co_await read_until(socket, "<early>");
        CHECK(head.starts_with("HTTP/1.1 101 "));
        CHECK(has(head, "Connection: Upgrade\r\n"));
        CHECK(has(head, "Upgrade: SPDY/3.1\r\n"));
        CHECK(has(head, "X-Stream-Protocol-Version: v4\r\n"));
        CHECK(!has(head, "Content-Length"));
        co_await send_text(socket, "bye");
        CHECK(co_await read_all(socket) == "<bye>");
    };
    run(io, body(server));
}
