#include "cms_link.hpp"

#include <boost/asio/local/stream_protocol.hpp>

#include <fmt/format.h>

#include <array>
#include <memory>

namespace toygres::test {

using namespace std::chrono_literals;

namespace {

using Tcp = asio::ip::tcp::socket;
using Local = asio::local::stream_protocol::socket;

struct Pair {
    Tcp server;
    Local database;
};

template <class From, class To>
asio::awaitable<void> pass_on(std::shared_ptr<Pair> pair, From& from, To& to, const std::atomic<bool>& cut) {
    std::array<char, 65'536> buffer;
    asio::steady_timer timer(co_await asio::this_coro::executor);
    for (;;) {
        const auto [failed, size] = co_await from.async_read_some(asio::buffer(buffer), use);
        while (cut) {
            timer.expires_after(5ms);
            co_await timer.async_wait(use);
        }
        if (failed) break;
        if (const auto [e, n] = co_await asio::async_write(to, asio::buffer(buffer.data(), size), use); e) break;
    }
    boost::system::error_code ignored;
    pair->server.close(ignored);
    pair->database.close(ignored);
}

}  // namespace

CmsLink::CmsLink(const std::string& directory)
    : socket_(directory + "/cms/.s.PGSQL.5432"), acceptor_(io_, {asio::ip::make_address("127.0.0.1"), 0}) {
    asio::co_spawn(io_, accept(), asio::detached);
    thread_ = std::thread([this] { io_.run(); });
}

CmsLink::~CmsLink() {
    io_.stop();
    thread_.join();
}

std::string CmsLink::database_url() const {
    return fmt::format("host=127.0.0.1 port={} user=toygres dbname=postgres sslmode=disable",
                       acceptor_.local_endpoint().port());
}

asio::awaitable<void> CmsLink::accept() {
    for (;;) {
        auto [failed, socket] = co_await acceptor_.async_accept(use);
        if (failed) co_return;
        const auto pair = std::make_shared<Pair>(std::move(socket), Local(io_));
        boost::system::error_code e;
        pair->database.connect(socket_, e);
        if (e) continue;
        asio::co_spawn(io_, pass_on(pair, pair->server, pair->database, cut_), asio::detached);
        asio::co_spawn(io_, pass_on(pair, pair->database, pair->server, cut_), asio::detached);
    }
}

}  // namespace toygres::test
