#include "http/connection_pool.hpp"

#include "http/deadline.hpp"

#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>

namespace toygres::http {
namespace {

Error connect_error(const Origin& origin, const std::string& why) {
    return {ErrorKind::transient, "connect_failed", "cannot connect to " + origin.host_field + ": " + why};
}

}  // namespace

Origin::Origin(const std::string& base_url) {
    const auto url = boost::urls::parse_absolute_uri(base_url);
    if (!url || (url->scheme() != "http" && url->scheme() != "https") || url->host().empty())
        raise(ErrorKind::invalid, "invalid_url", "not a URL of a server: " + base_url);
    tls = url->scheme() == "https";
    host = url->host_address();
    host_field = url->encoded_host_and_port();
    port = url->has_port() ? std::string(url->port()) : (tls ? "443" : "80");
    path_prefix = url->encoded_path();
    while (path_prefix.ends_with('/')) path_prefix.pop_back();
}

ConnectionPool::ConnectionPool(asio::any_io_executor executor, const ClientOptions& options)
    : executor_(executor),
      origin_(options.base_url),
      connections_max_(options.connections_max),
      connect_timeout_(options.connect_timeout),
      idle_timeout_(options.idle_timeout) {
    if (!origin_.tls) return;
    const ClientTls tls = options.tls.value_or(ClientTls{});
    tls_ = make_client_context(tls);
    server_name_ = tls.server_name.empty() ? origin_.host : tls.server_name;
    verify_ = tls.verify;
}

ConnectionPool::Lease::~Lease() {
    if (!transport_) return;
    transport_->close();
    pool_->give_back_place();
}

void ConnectionPool::Lease::keep() {
    pool_->idle_.push_back({std::exchange(transport_, nullptr), std::chrono::steady_clock::now()});
    pool_->give_back_place();
}

void ConnectionPool::give_back_place() {
    --open_;
    if (line_.empty()) return;
    auto& next = line_.front()->turn;
    line_.pop_front();
    next.notify();
}

// The most recently used one that still lives.
std::shared_ptr<Transport> ConnectionPool::take_idle() {
    const auto oldest = std::chrono::steady_clock::now() - idle_timeout_;
    std::erase_if(idle_, [&](const Idle& entry) { return entry.since < oldest || entry.transport->stale(); });
    if (idle_.empty()) return nullptr;
    auto out = std::move(idle_.back().transport);
    idle_.pop_back();
    return out;
}

asio::awaitable<Result<ConnectionPool::Lease>> ConnectionPool::acquire(bool fresh, Patience patience) {
    while (open_ >= connections_max_) {
        if (patience.over()) co_return std::unexpected(connect_error(origin_, "all connections are in use"));
        const Waiting waiting(*this, patience.turn);
        co_await patience.turn.wait();
    }
    Place place(this);
    auto transport = fresh ? nullptr : take_idle();
    const bool reused = transport != nullptr;
    if (reused) {
        patience.on_open(transport);
    } else {
        auto opened = co_await open(patience);
        if (!opened) co_return std::unexpected(opened.error());
        transport = *opened;
    }
    place.release();
    co_return Lease(shared_from_this(), std::move(transport), reused);
}

asio::awaitable<Result<std::shared_ptr<Transport>>> ConnectionPool::open(const Patience& patience) {
    Deadline deadline(executor_);
    std::shared_ptr<Transport> transport;
    deadline.arm(connect_timeout_, [&] {
        if (transport) transport->close();
    });
    const auto endpoints = co_await resolve();
    if (!endpoints) co_return std::unexpected(endpoints.error());
    ErrorCode error = asio::error::host_not_found;
    for (const auto& endpoint : *endpoints) {
        if (deadline.expired()) break;
        transport = std::make_shared<Transport>(tcp::socket(executor_), tls_);
        patience.on_open(transport);
        std::tie(error) = co_await transport->socket().async_connect(endpoint, use);
        if (!error) break;
    }
    if (deadline.expired()) co_return std::unexpected(connect_error(origin_, "no answer in time"));
    if (error) co_return std::unexpected(connect_error(origin_, error.message()));
    ErrorCode ignored;
    transport->socket().set_option(tcp::no_delay(true), ignored);
    if (tls_) {
        error = co_await transport->connect_tls(server_name_, verify_);
        if (error && deadline.expired()) co_return std::unexpected(connect_error(origin_, "no TLS answer in time"));
        if (error && is_tls_refusal(error))
            co_return std::unexpected(
                Error{ErrorKind::invalid, "tls_untrusted",
                      "no trusted TLS connection to " + origin_.host_field + ": " + error.message()});
        if (error) co_return std::unexpected(connect_error(origin_, error.message()));
    }
    co_return transport;
}

asio::awaitable<Result<std::vector<tcp::endpoint>>> ConnectionPool::resolve() {
    std::vector<tcp::endpoint> out;
    ErrorCode not_an_address;
    const auto address = asio::ip::make_address(origin_.host, not_an_address);
    if (!not_an_address) {
        out.emplace_back(address, static_cast<unsigned short>(std::stoul(origin_.port)));
        co_return out;
    }
    tcp::resolver resolver(executor_);
    const auto [error, found] = co_await resolver.async_resolve(origin_.host, origin_.port, use);
    if (error) co_return std::unexpected(connect_error(origin_, error.message()));
    for (const auto& entry : found) out.push_back(entry.endpoint());
    co_return out;
}

}  // namespace toygres::http
