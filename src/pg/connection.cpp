#include "pg/connection.hpp"

#include "base/assert.hpp"

#include <fmt/format.h>
#include <openssl/ssl.h>

#include <fcntl.h>
#include <poll.h>

namespace toygres::pg {
namespace {

// A session to a host that is gone, or behind a cut, ends after about ten seconds, not after a quarter of an hour.
constexpr std::pair<const char*, const char*> dead_peer_settings[] = {
    {"tcp_user_timeout", "10000"}, {"keepalives_idle", "5"}, {"keepalives_interval", "2"}, {"keepalives_count", "3"}};

struct ConnDeleter {
    void operator()(PGconn* conn) const { PQfinish(conn); }
};

std::string trimmed(const char* message) {
    std::string out = message ? message : "";
    while (!out.empty() && (out.back() == '\n' || out.back() == ' ')) out.pop_back();
    return out;
}

Error result_error(const PGresult* result) {
    const auto field = [&](int code) {
        const char* text = PQresultErrorField(result, code);
        return std::string(text ? text : "");
    };
    return sql_error(field(PG_DIAG_SQLSTATE), field(PG_DIAG_MESSAGE_PRIMARY), field(PG_DIAG_CONSTRAINT_NAME));
}

Error connect_error(PGconn* conn) {
    const auto message = trimmed(PQerrorMessage(conn));
    const auto refused = message.contains("authentication failed") || message.contains("does not exist") ||
                         message.contains("no pg_hba.conf entry") || message.contains("no password supplied");
    return refused ? Error{ErrorKind::forbidden, "database_refused", message}
                   : Error{ErrorKind::transient, "database_unavailable", message};
}

}  // namespace

// Watches a duplicate of libpq's descriptor. libpq closes its own as soon as it meets an error; another session may get
// that number at once, and must not lose its registration with the reactor when this one is cleaned up.
struct Connection::Socket {
    Socket(asio::any_io_executor executor, int fd) : stream(std::move(executor)) {
        const int own = ::fcntl(fd, F_DUPFD_CLOEXEC, 0);
        boost::system::error_code ignored;  // a bad descriptor shows itself at the first wait
        stream.assign(own, ignored);
    }
    asio::posix::stream_descriptor stream;
};

Connection::Connection(asio::any_io_executor executor, PGconn* conn)
    : conn_(conn), socket_(std::make_unique<Socket>(std::move(executor), PQsocket(conn))) {}

Connection::~Connection() {
    socket_.reset();
    PQfinish(conn_);
}

asio::awaitable<Result<std::unique_ptr<Connection>>> Connection::connect(std::string conninfo, std::string search_path,
                                                                         std::string application_name,
                                                                         std::chrono::milliseconds timeout) {
    const auto executor = co_await asio::this_coro::executor;
    const std::string options = search_path.empty() ? "" : "-c search_path=" + search_path;
    std::vector<const char*> keys;
    std::vector<const char*> values;
    const auto set = [&](const char* key, const char* value) {
        keys.push_back(key);
        values.push_back(value);
    };
    // What the connection string says comes later, and holds.
    for (const auto& [key, value] : dead_peer_settings) set(key, value);
    set("dbname", conninfo.c_str());
    set("fallback_application_name", application_name.c_str());
    set("options", options.c_str());
    set(nullptr, nullptr);
    std::unique_ptr<PGconn, ConnDeleter> conn(PQconnectStartParams(keys.data(), values.data(), 1));
    if (!conn || PQstatus(conn.get()) == CONNECTION_BAD) {
        const auto message = conn ? trimmed(PQerrorMessage(conn.get())) : "out of memory";
        if (conn && PQsocket(conn.get()) < 0 && !message.contains("onnect"))
            co_return std::unexpected(Error{ErrorKind::invalid, "bad_conninfo", message});
        co_return std::unexpected(Error{ErrorKind::transient, "database_unavailable", message});
    }
    asio::steady_timer deadline(executor, timeout);
    for (auto status = PGRES_POLLING_WRITING; status != PGRES_POLLING_OK;) {
        if (status == PGRES_POLLING_FAILED) co_return std::unexpected(connect_error(conn.get()));
        const auto socket = std::make_shared<Socket>(executor, PQsocket(conn.get()));  // it may change after every poll
        const auto expired = std::make_shared<bool>(false);
        // Its handler may run when this frame is gone: a wait that is cancelled ends the connect at once.
        deadline.async_wait([socket = std::weak_ptr(socket), expired](boost::system::error_code ec) {
            if (ec) return;
            *expired = true;
            if (const auto waiting = socket.lock()) waiting->stream.cancel();
        });
        const auto what = status == PGRES_POLLING_READING ? asio::posix::stream_descriptor::wait_read
                                                          : asio::posix::stream_descriptor::wait_write;
        const auto [ec] = co_await socket->stream.async_wait(what, use);
        deadline.cancel();
        if (*expired)
            co_return std::unexpected(Error{ErrorKind::transient, "database_unavailable",
                                            fmt::format("no answer within {} ms", timeout.count())});
        if (ec) co_return std::unexpected(Error{ErrorKind::transient, "database_unavailable", ec.message()});
        status = PQconnectPoll(conn.get());
    }
    // A session that is kept for long and used for moments holds no room for records meanwhile.
    if (auto* const tls = static_cast<SSL*>(PQgetssl(conn.get()))) SSL_set_mode(tls, SSL_MODE_RELEASE_BUFFERS);
    if (PQsetnonblocking(conn.get(), 1) != 0 || PQenterPipelineMode(conn.get()) != 1)
        co_return std::unexpected(Error{ErrorKind::internal, "database_unavailable", "libpq refuses pipeline mode"});
    PQsetNoticeProcessor(conn.get(), [](void*, const char*) {}, nullptr);
    co_return std::unique_ptr<Connection>(new Connection(executor, conn.release()));
}

Error Connection::lost() {
    broken_ = true;
    auto message = trimmed(PQerrorMessage(conn_));
    return {ErrorKind::transient, "database_unavailable", message.empty() ? "the connection was lost" : message};
}

asio::awaitable<Result<void>> Connection::wait_readable() {
    const auto [ec] = co_await socket_->stream.async_wait(asio::posix::stream_descriptor::wait_read, use);
    if (broken_ || ec || PQconsumeInput(conn_) != 1) co_return std::unexpected(lost());
    co_return Result<void>();
}

asio::awaitable<Result<void>> Connection::flush() {
    for (;;) {
        const int left = PQflush(conn_);
        if (left == 0) co_return Result<void>();
        if (left < 0) co_return std::unexpected(lost());
        // The server may be blocked on sending to us: read whenever there is something.
        const auto [ec] = co_await socket_->stream.async_wait(asio::posix::stream_descriptor::wait_write, use);
        if (broken_ || ec || PQconsumeInput(conn_) != 1) co_return std::unexpected(lost());
    }
}

asio::awaitable<Result<std::vector<Rows>>> Connection::collect(std::size_t results) {
    std::vector<Rows> out;
    std::optional<Error> failure;
    for (std::size_t index = 0; index <= results;) {  // the last one is the sync's
        while (PQisBusy(conn_) != 0)
            if (auto readable = co_await wait_readable(); !readable) co_return std::unexpected(readable.error());
        PGresult* result = PQgetResult(conn_);
        if (result == nullptr) {
            if (PQstatus(conn_) == CONNECTION_BAD) co_return std::unexpected(lost());
            continue;  // the end of one statement's results
        }
        Rows rows(result);
        switch (PQresultStatus(result)) {
            case PGRES_PIPELINE_SYNC:
                index = results + 1;
                continue;
            case PGRES_PIPELINE_ABORTED:
                ++index;
                continue;
            case PGRES_TUPLES_OK:
            case PGRES_COMMAND_OK:
                out.push_back(std::move(rows));
                break;
            default:
                if (!failure) {
                    failure = result_error(result);
                    failure->details["statement"] = index;
                }
                if (PQstatus(conn_) == CONNECTION_BAD) co_return std::unexpected(lost());
        }
        ++index;
    }
    in_transaction_ = PQtransactionStatus(conn_) != PQTRANS_IDLE;
    if (failure) {
        if (failure->details["sqlstate"].get_ref<const std::string&>().starts_with("57P")) broken_ = true;
        co_return std::unexpected(*std::move(failure));
    }
    co_return std::move(out);
}

asio::awaitable<Result<std::vector<Rows>>> Connection::execute_all(std::vector<Statement> statements) {
    if (broken_) co_return std::unexpected(lost());
    TG_ASSERT(!busy_);
    busy_ = true;
    std::size_t results = 0;
    std::vector<const char*> newly_prepared;
    std::vector<std::size_t> prepares;
    bool sent = true;
    for (const auto& [query, params] : statements) {
        if (!prepared_.contains(query.name)) {
            sent = sent && PQsendPrepare(conn_, query.name, query.sql, 0, nullptr) == 1;
            prepared_.insert(query.name);
            newly_prepared.push_back(query.name);
            prepares.push_back(results++);
        }
        std::vector<const char*> values;
        values.reserve(params.size());
        for (const auto& param : params) values.push_back(param ? param->c_str() : nullptr);
        sent = sent && PQsendQueryPrepared(conn_, query.name, static_cast<int>(values.size()), values.data(), nullptr,
                                           nullptr, 0) == 1;
        ++results;
    }
    sent = sent && PQpipelineSync(conn_) == 1;
    Result<std::vector<Rows>> out;
    if (!sent) {
        out = std::unexpected(lost());
    } else if (auto flushed = co_await flush(); !flushed) {
        out = std::unexpected(flushed.error());
    } else {
        if (on_sent) on_sent();
        out = co_await collect(results);
    }
    busy_ = false;
    if (!out) {
        // A statement stays prepared when its transaction fails; those after the failure were skipped.
        const auto failed_at = broken_ ? 0 : out.error().details.value("statement", std::size_t(0));
        for (std::size_t i = 0; i < prepares.size(); ++i)
            if (prepares[i] >= failed_at) prepared_.erase(newly_prepared[i]);
        if (!broken_)
            out.error().details["statement"] = failed_at - static_cast<std::size_t>(std::ranges::count_if(
                                                               prepares, [&](auto p) { return p < failed_at; }));
        co_return out;
    }
    std::vector<Rows> answers;
    answers.reserve(statements.size());
    for (std::size_t i = 0, p = 0; i < out->size(); ++i) {
        if (p < prepares.size() && prepares[p] == i)
            ++p;
        else
            answers.push_back(std::move((*out)[i]));
    }
    co_return std::move(answers);
}

asio::awaitable<Result<Rows>> Connection::execute(Query query, Params params) {
    std::vector<Statement> one;
    one.push_back({query, std::move(params)});
    auto out = co_await execute_all(std::move(one));
    if (!out) co_return std::unexpected(std::move(out).error());
    co_return std::move(out->front());
}

asio::awaitable<Result<Rows>> Connection::run(std::string sql) {
    if (broken_) co_return std::unexpected(lost());
    TG_ASSERT(!busy_);
    busy_ = true;
    Result<std::vector<Rows>> out;
    if (PQsendQueryParams(conn_, sql.c_str(), 0, nullptr, nullptr, nullptr, nullptr, 0) != 1 ||
        PQpipelineSync(conn_) != 1) {
        out = std::unexpected(lost());
    } else if (auto flushed = co_await flush(); !flushed) {
        out = std::unexpected(flushed.error());
    } else {
        out = co_await collect(1);
    }
    busy_ = false;
    if (!out) co_return std::unexpected(std::move(out).error());
    co_return out->empty() ? Rows() : std::move(out->front());
}

asio::awaitable<Result<void>> Connection::begin() {
    auto done = co_await run("BEGIN");
    if (!done) co_return std::unexpected(std::move(done).error());
    co_return Result<void>();
}

asio::awaitable<Result<void>> Connection::commit() {
    auto done = co_await run("COMMIT");
    if (!done) co_return std::unexpected(std::move(done).error());
    co_return Result<void>();
}

asio::awaitable<void> Connection::rollback() {
    if (!broken_ && in_transaction_)
        if (auto done = co_await run("ROLLBACK"); !done) broken_ = true;
}

asio::awaitable<Result<Notification>> Connection::notification() {
    for (;;) {
        if (broken_) co_return std::unexpected(lost());
        if (const std::unique_ptr<PGnotify, void (*)(void*)> n(PQnotifies(conn_), &PQfreemem); n)
            co_return Notification{n->relname, n->extra};
        if (auto readable = co_await wait_readable(); !readable) co_return std::unexpected(readable.error());
    }
}

bool Connection::stale() const {
    pollfd watched{PQsocket(conn_), POLLIN, 0};
    return broken_ || watched.fd < 0 || ::poll(&watched, 1, 0) != 0;
}

int Connection::backend_pid() const { return PQbackendPID(conn_); }

void Connection::close() {
    broken_ = true;
    boost::system::error_code ignored;
    socket_->stream.cancel(ignored);
}

}  // namespace toygres::pg
