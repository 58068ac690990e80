#include "agent/psql.hpp"

#include "agent/upstream.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>

#include <fmt/format.h>

#include <array>
#include <csignal>

namespace toygres::agent {
namespace {

using asio::experimental::awaitable_operators::operator||;

constexpr std::chrono::seconds probe_limit{10};
constexpr std::size_t message_bytes_max = 64 << 10;

std::string last_line(std::string text) {
    while (!text.empty() && text.back() == '\n') text.pop_back();
    const auto at = text.rfind('\n');
    return at == std::string::npos ? text : text.substr(at + 1);
}

std::string session_settings(std::chrono::milliseconds limit) {
    return fmt::format(
        "-c statement_timeout={} -c log_statement=none -c log_min_error_statement=panic "
        "-c log_min_duration_statement=-1",
        limit.count() / 2);
}

// `command` names psql and the connection.
Command reading_stdin(Command command) {
    for (const char* option : {"--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--no-password",
                               "--set=ON_ERROR_STOP=1", "--file=-"})
        command.argv.emplace_back(option);
    command.signal_when_parent_dies = SIGKILL;
    return command;
}

asio::awaitable<Result<std::string>> run_script(Command command, std::string script, std::chrono::milliseconds limit) {
    auto done = co_await run_command(std::move(command), std::move(script), limit);
    if (!done) co_return std::unexpected(done.error());
    if (!done->status.ok())
        co_return std::unexpected(Error{ErrorKind::transient, "psql_failed",
                                        fmt::format("psql: {}: {}", to_string(done->status), last_line(done->errors))});
    co_return std::move(done->output);
}

void put_int32(std::string& out, std::uint32_t value) {
    for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift & 0xff);
}

// Protocol 3.0: length, version, parameters.
std::string startup_packet() {
    std::string body;
    put_int32(body, 3 << 16);
    for (const std::string_view text :
         {"user", "postgres", "database", "postgres", "application_name", "toygres-agent"}) {
        body += text;
        body += '\0';
    }
    body += '\0';
    std::string out;
    put_int32(out, static_cast<std::uint32_t>(body.size() + 4));
    return out + body;
}

asio::awaitable<bool> ping(std::string path) {
    asio::local::stream_protocol::socket socket(co_await asio::this_coro::executor);
    if (const auto [e] = co_await socket.async_connect(asio::local::stream_protocol::endpoint(path), use); e)
        co_return false;
    const auto packet = startup_packet();
    if (const auto [e, n] = co_await asio::async_write(socket, asio::buffer(packet), use); e) co_return false;
    std::array<char, 512> answer{};
    const auto [e, n] = co_await socket.async_read_some(asio::buffer(answer), use);
    if (e || n == 0) co_return false;
    if (answer[0] == 'R') co_return true;  // asks for, or grants, authentication
    // 57P03: starting up, shutting down or recovering. Any other refusal comes from a server that is open.
    co_return answer[0] == 'E' && !std::string_view(answer.data(), n).contains("57P03");
}

std::string socket_path(const Options& options) {
    return fmt::format("{}/.s.PGSQL.{}", options.socket_dir, options.postgres_port);
}

Error login_failed(std::string why) { return {ErrorKind::transient, "login_failed", std::move(why)}; }

std::uint32_t int32_at(std::string_view text) {
    std::uint32_t out = 0;
    for (const char c : text.substr(0, 4)) out = out << 8 | static_cast<unsigned char>(c);
    return out;
}

// The message of an ErrorResponse: fields that begin with a letter and end with a zero.
std::string message_of(std::string_view fields) {
    while (!fields.empty() && fields.front() != '\0') {
        const auto end = std::min(fields.find('\0'), fields.size());
        if (fields.front() == 'M') return std::string(fields.substr(1, end - 1));
        fields.remove_prefix(std::min(end + 1, fields.size()));
    }
    return "refused";
}

// The server is ready for a query, or why it is not.
asio::awaitable<Result<void>> log_in_at(std::string path) {
    asio::local::stream_protocol::socket socket(co_await asio::this_coro::executor);
    if (const auto [e] = co_await socket.async_connect(asio::local::stream_protocol::endpoint(path), use); e)
        co_return std::unexpected(login_failed(e.message()));
    const auto packet = startup_packet();
    if (const auto [e, n] = co_await asio::async_write(socket, asio::buffer(packet), use); e)
        co_return std::unexpected(login_failed(e.message()));
    for (;;) {
        std::array<char, 5> head{};
        if (const auto [e, n] = co_await asio::async_read(socket, asio::buffer(head), use); e)
            co_return std::unexpected(login_failed(e.message()));
        const auto size = int32_at(std::string_view(head.data() + 1, 4));
        if (size < 4 || size > message_bytes_max) co_return std::unexpected(login_failed("an answer of no sane size"));
        std::string body(size - 4, '\0');
        if (const auto [e, n] = co_await asio::async_read(socket, asio::buffer(body), use); e)
            co_return std::unexpected(login_failed(e.message()));
        if (head[0] == 'E') co_return std::unexpected(login_failed(message_of(body)));
        if (head[0] == 'R' && int32_at(body) != 0) co_return std::unexpected(login_failed("a password is asked for"));
        if (head[0] == 'Z') break;
    }
    constexpr std::array<char, 5> terminate{'X', 0, 0, 0, 4};
    co_await asio::async_write(socket, asio::buffer(terminate), use);
    co_return Result<void>();
}

}  // namespace

std::string sql_literal(std::string_view text) {
    std::string out = "'";
    for (const char c : text) out += c == '\'' ? "''" : std::string(1, c);
    return out + "'";
}

Command local_psql(const Options& options, const Binaries& binaries, std::chrono::milliseconds limit) {
    return reading_stdin({{binaries.path("psql")},
                          {{"PGHOST", options.socket_dir},
                           {"PGPORT", std::to_string(options.postgres_port)},
                           {"PGUSER", "postgres"},
                           {"PGDATABASE", "postgres"},
                           {"PGAPPNAME", "toygres-agent"},
                           {"PGCONNECT_TIMEOUT", "5"},
                           {"PGOPTIONS", fmt::format("{} -c synchronous_commit=local", session_settings(limit))}}});
}

asio::awaitable<Result<std::string>> Psql::run(std::string script, std::chrono::milliseconds limit) const {
    co_return co_await run_script(local_psql(options_, binaries_, limit), std::move(script), limit);
}

asio::awaitable<Result<std::string>> Psql::run_on(std::string member, std::string script,
                                                  std::chrono::milliseconds limit) const {
    co_return co_await run_script(
        reading_stdin({{binaries_.path("psql"), "--dbname=" + superuser_conninfo(options_, member)},
                       {{"PGOPTIONS", session_settings(limit)}}}),
        std::move(script), limit);
}

asio::awaitable<bool> Psql::serves_replicas(std::string member) const {
    const auto user = replication_user(options_);
    if (!user) co_return false;
    const auto conninfo = replication_conninfo(options_, member, *user, "toygres-agent") + " replication=true";
    const auto answer = co_await run_script(reading_stdin({{binaries_.path("psql"), "--dbname=" + conninfo}, {}}),
                                            "IDENTIFY_SYSTEM;\n", probe_limit);
    co_return answer && !answer->empty();
}

asio::awaitable<bool> accepts_connections(const Options& options, std::chrono::milliseconds timeout) {
    asio::steady_timer deadline(co_await asio::this_coro::executor, timeout);
    const auto first = co_await (ping(socket_path(options)) || deadline.async_wait(use));
    co_return first.index() == 0 && std::get<0>(first);
}

asio::awaitable<Result<void>> log_in(const Options& options, std::chrono::milliseconds timeout) {
    asio::steady_timer deadline(co_await asio::this_coro::executor, timeout);
    auto first = co_await (log_in_at(socket_path(options)) || deadline.async_wait(use));
    if (first.index() == 1)
        co_return std::unexpected(login_failed(fmt::format("no answer within {} ms", timeout.count())));
    co_return std::get<0>(std::move(first));
}

}  // namespace toygres::agent
