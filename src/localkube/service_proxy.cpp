#include "localkube/service_proxy.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>

#include <array>
#include <set>

namespace toygres::localkube {
namespace {

using asio::ip::tcp;
constexpr std::size_t buffer_bytes = 64 << 10;

struct Connection {
    explicit Connection(asio::io_context& io) : client(io), server(io) {}
    tcp::socket client;
    tcp::socket server;
};

// One direction until its end, which the other side sees as the same end.
asio::awaitable<void> copy(tcp::socket& from, tcp::socket& to) {
    const auto buffer = std::make_unique<std::array<char, buffer_bytes>>();
    boost::system::error_code ignored;
    while (true) {
        const auto [read_error, n] = co_await from.async_read_some(asio::buffer(*buffer), use);
        if (read_error) {
            if (read_error == asio::error::eof)
                to.shutdown(tcp::socket::shutdown_send, ignored);
            else
                to.close(ignored);
            co_return;
        }
        const auto [write_error, written] = co_await asio::async_write(to, asio::buffer(*buffer, n), use);
        if (write_error) {
            from.close(ignored);
            co_return;
        }
    }
}

}  // namespace

struct ServiceProxy::Listener {
    explicit Listener(asio::io_context& io) : acceptor(io) {}
    tcp::acceptor acceptor;
    std::vector<Endpoint> targets;
    std::size_t next = 0;
};

struct ServiceProxy::Connections {
    std::set<std::shared_ptr<Connection>> open;

    static asio::awaitable<void> serve(std::shared_ptr<Connections> all, std::shared_ptr<Connection> connection,
                                       std::shared_ptr<Listener> listener) {
        using namespace asio::experimental::awaitable_operators;
        boost::system::error_code error;
        connection->client.set_option(tcp::no_delay(true), error);
        // Each target once, beginning with whose turn it is; they may change while one is tried.
        const auto targets = listener->targets;
        const auto first = listener->next++;
        bool connected = false;
        for (std::size_t i = 0; i < targets.size() && !connected; ++i) {
            connection->server = tcp::socket(connection->client.get_executor());
            const auto [failed] = co_await connection->server.async_connect(targets[(first + i) % targets.size()], use);
            connected = !failed;
        }
        if (connected) {
            connection->server.set_option(tcp::no_delay(true), error);
            co_await (copy(connection->client, connection->server) && copy(connection->server, connection->client));
        } else {
            // As near to a refusal as an accepted connection comes.
            connection->client.set_option(asio::socket_base::linger(true, 0), error);
        }
        connection->client.close(error);
        connection->server.close(error);
        all->open.erase(connection);
    }
};

ServiceProxy::ServiceProxy(asio::io_context& io) : io_(io), connections_(std::make_shared<Connections>()) {}

ServiceProxy::~ServiceProxy() { stop(); }

asio::awaitable<void> ServiceProxy::accept(std::shared_ptr<Listener> listener,
                                           std::shared_ptr<Connections> connections) {
    while (listener->acceptor.is_open()) {
        auto& io = static_cast<asio::io_context&>(listener->acceptor.get_executor().context());
        auto connection = std::make_shared<Connection>(io);
        const auto [error] = co_await listener->acceptor.async_accept(connection->client, use);
        if (error == asio::error::operation_aborted || error == asio::error::bad_descriptor) co_return;
        if (error) {
            // Out of descriptors, most likely: that passes.
            asio::steady_timer pause(io, std::chrono::milliseconds(50));
            co_await pause.async_wait(use);
            continue;
        }
        connections->open.insert(connection);
        asio::co_spawn(io, Connections::serve(connections, connection, listener), asio::detached);
    }
}

std::vector<std::pair<ServiceProxy::Endpoint, std::string>> ServiceProxy::set(const std::string& service,
                                                                              const Targets& targets) {
    std::vector<std::pair<Endpoint, std::string>> failed;
    auto& listeners = services_[service];
    boost::system::error_code error;
    for (auto it = listeners.begin(); it != listeners.end();) {
        const auto wanted = targets.find(it->first);
        if (wanted != targets.end() && !wanted->second.empty()) {
            ++it;
            continue;
        }
        it->second->acceptor.close(error);
        it->second->targets.clear();
        it = listeners.erase(it);
    }
    for (const auto& [address, endpoints] : targets) {
        if (endpoints.empty()) continue;
        if (const auto it = listeners.find(address); it != listeners.end()) {
            it->second->targets = endpoints;
            continue;
        }
        auto listener = std::make_shared<Listener>(io_);
        listener->targets = endpoints;
        auto& acceptor = listener->acceptor;
        acceptor.open(address.protocol(), error);
        if (!error) acceptor.set_option(asio::socket_base::reuse_address(true), error);
        if (!error) acceptor.bind(address, error);
        if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
        if (error) {
            failed.emplace_back(address, error.message());
            continue;
        }
        listeners[address] = listener;
        asio::co_spawn(io_, accept(listener, connections_), asio::detached);
    }
    if (listeners.empty()) services_.erase(service);
    return failed;
}

void ServiceProxy::stop() {
    boost::system::error_code error;
    for (const auto& [service, listeners] : services_)
        for (const auto& [address, listener] : listeners) listener->acceptor.close(error);
    services_.clear();
    for (const auto& connection : connections_->open) {
        connection->client.close(error);
        connection->server.close(error);
    }
}

}  // namespace toygres::localkube
