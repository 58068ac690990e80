// All members of a fleet of hollow instances, on two sockets: every address of 127.0.0.0/8 answers on PostgreSQL's port
// as the postgres that would be there, and on the agents' port as its agent.
#pragma once
#include "fleet/hollow_instances.hpp"

#include <boost/asio/ssl.hpp>

namespace toygres::bench {

class HollowMembers {
  public:
    // Throws boost::system::system_error when the ports are taken: it wants a network of its own.
    HollowMembers(asio::io_context& io, const HollowNode& node, HollowInstances& instances, Sight& sight);

    void start();

  private:
    using Tcp = asio::ip::tcp;
    using Stream = asio::ssl::stream<Tcp::socket>;
    asio::awaitable<void> accept(Tcp::acceptor& acceptor, bool agents);
    asio::awaitable<void> serve_postgres(Tcp::socket socket);
    asio::awaitable<void> serve_agent(Tcp::socket socket);
    asio::awaitable<void> tell(Stream& stream, const HollowNode::Place& place);

    asio::io_context& io_;
    const HollowNode& node_;
    HollowInstances& instances_;
    Sight& sight_;
    asio::ssl::context tls_;
    Tcp::acceptor postgres_;
    Tcp::acceptor agents_;
};

}  // namespace toygres::bench
