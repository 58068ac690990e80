// One connection of the server: reads requests one after the other, runs the handler, writes answers. Inside src/http.
#pragma once
#include "base/event.hpp"
#include "http/deadline.hpp"
#include "http/server.hpp"
#include "http/transport.hpp"

#include <boost/beast/core/flat_buffer.hpp>

#include <memory>
#include <string>

namespace toygres::http {

// What all connections of a server share.
struct ServerShared {
    ServerOptions options;
    Handler handler;
    TlsContext tls;  // null: plain
    bool stopping = false;
};

class Connection : public std::enable_shared_from_this<Connection> {
  public:
    Connection(std::shared_ptr<Transport> transport, std::shared_ptr<const ServerShared> shared);

    // Serves until either side ends it. Cancel it to abort the handler, too.
    asio::awaitable<void> run();
    // Answers 503 and closes.
    asio::awaitable<void> refuse_busy();
    // Ends it now if it is idle or upgraded, wakes streams, lets a request in progress finish.
    void stop();
    void abort() { transport_->close(); }

  private:
    class ActiveExchange;

    // false: the connection is done.
    asio::awaitable<bool> serve_one();
    asio::awaitable<bool> read_request(Request& request, bool& keep_alive);
    asio::awaitable<ErrorCode> fill();
    asio::awaitable<void> answer_error(int status, std::string detail);
    asio::awaitable<bool> write(std::string data);
    asio::awaitable<void> wait_closed();
    static asio::awaitable<void> watch_once(std::shared_ptr<Connection> self);

    std::shared_ptr<Transport> transport_;
    std::shared_ptr<const ServerShared> shared_;
    std::string peer_;
    boost::beast::flat_buffer buffer_;
    Deadline read_deadline_;
    Deadline write_deadline_;
    Event changed_;          // a background read ended, or the server stops
    bool watching_ = false;  // a background read is under way: all reading goes through it
    bool gone_ = false;      // the peer closed or the connection broke
    bool idle_ = true;       // between two requests
    bool upgraded_ = false;
    bool stopping_ = false;
};

}  // namespace toygres::http
