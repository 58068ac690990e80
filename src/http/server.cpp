#include "http/server.hpp"

#include "base/log.hpp"
#include "http/connection.hpp"

#include <list>

namespace toygres::http {

class Server::Impl : public std::enable_shared_from_this<Server::Impl> {
  public:
    Impl(asio::io_context& io, ServerOptions options, Handler handler)
        : acceptor_(io), shared_(std::make_shared<ServerShared>()), emptied_(io.get_executor()) {
        if (options.tls) shared_->tls = make_server_context(*options.tls);
        shared_->handler = std::move(handler);
        bind(options);
        shared_->options = std::move(options);
    }

    unsigned short port() const { return port_; }
    void start() { asio::co_spawn(acceptor_.get_executor(), accept_all(shared_from_this()), asio::detached); }
    void replace_tls(TlsContext tls) { shared_->tls = std::move(tls); }

    void close() {
        shared_->stopping = true;
        ErrorCode ignored;
        acceptor_.close(ignored);
    }

    asio::awaitable<void> stop(std::chrono::milliseconds grace) {
        close();
        for (auto& entry : connections_) entry.connection->stop();
        Deadline deadline(acceptor_.get_executor());
        // A handler that waits for something else than its client ends by cancellation.
        deadline.arm(grace, [self = shared_from_this()] { self->abort_all(); });
        while (!connections_.empty()) co_await emptied_.wait();
    }

    void abort_all() {
        for (auto& entry : connections_) {
            entry.connection->abort();
            entry.cancel->emit(asio::cancellation_type::terminal);
            // Asio may only post the cancellation; its target must outlive that, even if the connection ends first.
            asio::post(acceptor_.get_executor(), [alive = entry.cancel] {});
        }
    }

  private:
    struct Entry {
        std::shared_ptr<Connection> connection;
        std::shared_ptr<asio::cancellation_signal> cancel = std::make_shared<asio::cancellation_signal>();
    };
    using Entries = std::list<Entry>;

    void bind(const ServerOptions& options) {
        ErrorCode error;
        const auto address = asio::ip::make_address(options.address, error);
        const tcp::endpoint endpoint(address, options.port);
        if (!error) acceptor_.open(endpoint.protocol(), error);
        if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
        if (!error) acceptor_.bind(endpoint, error);
        if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
        if (error)
            raise(ErrorKind::invalid, "address_unusable",
                  "cannot listen on " + options.address + ":" + std::to_string(options.port) + ": " + error.message());
        port_ = acceptor_.local_endpoint().port();
    }

    static asio::awaitable<void> accept_all(std::shared_ptr<Impl> self) {
        while (!self->shared_->stopping) {
            auto [error, socket] = co_await self->acceptor_.async_accept(use);
            if (self->shared_->stopping) break;
            if (!error) {
                self->serve(std::move(socket));
                continue;
            }
            // Out of descriptors, most likely: give the others time to end.
            log::warning("http.accept_failed", {{"error", error.message()}});
            asio::steady_timer pause(self->acceptor_.get_executor(), std::chrono::milliseconds(100));
            co_await pause.async_wait(use);
        }
    }

    void serve(tcp::socket socket) {
        const bool busy = connections_.size() >= shared_->options.connections_max;
        auto connection =
            std::make_shared<Connection>(std::make_shared<Transport>(std::move(socket), shared_->tls), shared_);
        auto& entry = connections_.emplace_back();
        entry.connection = connection;
        const auto at = std::prev(connections_.end());
        asio::co_spawn(
            acceptor_.get_executor(), run(connection, busy),
            asio::bind_cancellation_slot(entry.cancel->slot(), [self = shared_from_this(), at](std::exception_ptr) {
                self->connections_.erase(at);
                if (self->connections_.empty()) self->emptied_.notify();
            }));
    }

    static asio::awaitable<void> run(std::shared_ptr<Connection> connection, bool busy) {
        co_await (busy ? connection->refuse_busy() : connection->run());
    }

    tcp::acceptor acceptor_;
    std::shared_ptr<ServerShared> shared_;
    Entries connections_;
    Event emptied_;
    unsigned short port_ = 0;
};

Server::Server(asio::io_context& io, ServerOptions options, Handler handler)
    : impl_(std::make_shared<Impl>(io, std::move(options), std::move(handler))) {}

Server::~Server() {
    impl_->close();
    impl_->abort_all();
}

unsigned short Server::port() const { return impl_->port(); }
void Server::start() { impl_->start(); }
asio::awaitable<void> Server::stop(std::chrono::milliseconds grace) { return impl_->stop(grace); }
void Server::replace_tls(ServerTls tls) { impl_->replace_tls(make_server_context(tls)); }

}  // namespace toygres::http
