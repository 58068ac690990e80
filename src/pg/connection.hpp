// One PostgreSQL session: libpq on Asio, always in pipeline mode, statements prepared at first use. Any doubt about its
// state marks it broken; a broken connection answers transient/"database_unavailable" for ever.
#pragma once
#include "base/asio.hpp"
#include "pg/error.hpp"
#include "pg/rows.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

namespace toygres::pg {

struct Statement {
    Query query;
    Params params;
};

struct Notification {
    std::string channel;
    std::string payload;
};

class Connection {
  public:
    // `conninfo`: a libpq connection string or URL. Unless it says otherwise, a session whose other end is not heard of
    // any more is given up after about 10 s. `search_path` may be empty. Errors:
    // transient/"database_unavailable", forbidden/"database_refused", invalid/"bad_conninfo".
    static asio::awaitable<Result<std::unique_ptr<Connection>>> connect(std::string conninfo, std::string search_path,
                                                                        std::string application_name,
                                                                        std::chrono::milliseconds timeout);
    ~Connection();
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    // One prepared statement, in a transaction of its own unless one is open. One call at a time.
    asio::awaitable<Result<Rows>> execute(Query query, Params params = {});
    // All or nothing, in one round trip: the statements are one transaction (unless one is open already). After an
    // error nothing of it remains; the error's details say at which statement ("statement").
    asio::awaitable<Result<std::vector<Rows>>> execute_all(std::vector<Statement> statements);
    // Text without parameters that is not worth preparing: BEGIN, COMMIT, LISTEN, SET.
    asio::awaitable<Result<Rows>> run(std::string sql);

    asio::awaitable<Result<void>> begin();
    asio::awaitable<Result<void>> commit();  // an error after the send leaves the outcome unknown
    asio::awaitable<void> rollback();

    // The next notification of a LISTEN; for a connection that does nothing else. Error: the connection broke.
    asio::awaitable<Result<Notification>> notification();

    // Also when a call on it was cut off half-way.
    bool broken() const { return broken_ || busy_; }
    // For a session nobody uses: the server sent something unasked, which is its farewell.
    bool stale() const;
    bool in_transaction() const { return in_transaction_; }
    int backend_pid() const;
    // For tests: called when a request is on its way and its answer is not.
    std::function<void()> on_sent;
    // Marks it broken and closes the socket: wakes whoever waits on it.
    void close();

  private:
    Connection(asio::any_io_executor executor, PGconn* conn);
    asio::awaitable<Result<void>> flush();
    asio::awaitable<Result<void>> wait_readable();
    asio::awaitable<Result<std::vector<Rows>>> collect(std::size_t results);
    Error lost();

    struct Socket;
    PGconn* conn_;
    std::unique_ptr<Socket> socket_;
    std::unordered_set<const char*> prepared_;
    bool broken_ = false;
    bool in_transaction_ = false;
    bool busy_ = false;
};

}  // namespace toygres::pg
