#include "fleet/hollow_postgres.hpp"

#include <fmt/format.h>

namespace toygres::bench {
namespace {

constexpr std::size_t message_bytes_max = 1 << 20;
constexpr std::string_view protocol_3("\0\3\0\0", 4);

std::string big_endian(std::uint32_t value, std::size_t size = 4) {
    std::string out;
    for (std::size_t i = size; i-- > 0;) out += static_cast<char>(value >> (8 * i));
    return out;
}

std::uint32_t number_at(std::string_view text) {
    std::uint32_t out = 0;
    for (const char c : text.substr(0, 4)) out = out << 8 | static_cast<unsigned char>(c);
    return out;
}

// Takes a string that ends with a zero off the front.
std::string take_text(std::string_view& from) {
    const auto end = from.find('\0');
    if (end == std::string_view::npos) raise(ErrorKind::invalid, "bad_message", "a string has no end");
    std::string out(from.substr(0, end));
    from.remove_prefix(end + 1);
    return out;
}

std::string zero_ended(std::string_view text) { return std::string(text) + '\0'; }

struct Answer {
    std::vector<std::string> columns;
    std::vector<std::string> values;
};

std::string description_of(const Answer& answer) {
    constexpr std::uint32_t text_oid = 25;
    std::string out = big_endian(static_cast<std::uint32_t>(answer.columns.size()), 2);
    for (const auto& column : answer.columns)
        out += zero_ended(column) + big_endian(0) + big_endian(0, 2) + big_endian(text_oid) + big_endian(0xffff, 2) +
               big_endian(0xffffffff) + big_endian(0, 2);
    return out;
}

std::string row_of(const Answer& answer) {
    std::string out = big_endian(static_cast<std::uint32_t>(answer.values.size()), 2);
    for (const auto& value : answer.values) out += big_endian(static_cast<std::uint32_t>(value.size())) + value;
    return out;
}

// What a SELECT gives; nullopt for one that this server does not know.
std::optional<Answer> answer_to(const std::string& sql, bool in_recovery) {
    if (sql.contains("pg_is_in_recovery()"))
        return Answer{{"current_setting", "pg_is_in_recovery"}, {"17.5", in_recovery ? "t" : "f"}};
    if (sql.contains("version()")) return Answer{{"version"}, {"PostgreSQL 17.5, hollow"}};
    return std::nullopt;
}

bool is_question(const std::string& sql) { return sql.starts_with("SELECT"); }

}  // namespace

HollowPostgres::HollowPostgres(Stream& stream, const Verifier& verifier, std::function<bool()> in_recovery,
                               std::function<void()> on_check)
    : stream_(stream), verifier_(verifier), in_recovery_(std::move(in_recovery)), on_check_(std::move(on_check)) {}

asio::awaitable<std::string> HollowPostgres::read_exactly(std::size_t size) {
    while (in_.size() < size) {
        const auto had = in_.size();
        in_.resize(had + 4096);
        const auto got = co_await stream_.async_read_some(asio::buffer(in_.data() + had, 4096), asio::use_awaitable);
        in_.resize(had + got);
    }
    auto out = in_.substr(0, size);
    in_.erase(0, size);
    co_return out;
}

asio::awaitable<HollowPostgres::Message> HollowPostgres::read_message() {
    const auto head = co_await read_exactly(5);
    const auto size = number_at(std::string_view(head).substr(1));
    if (size < 4 || size > message_bytes_max) raise(ErrorKind::invalid, "bad_message", "a message of no sane size");
    co_return Message{head[0], co_await read_exactly(size - 4)};
}

void HollowPostgres::reply(char type, std::string_view body) {
    out_ += type + big_endian(static_cast<std::uint32_t>(body.size() + 4));
    out_ += body;
}

void HollowPostgres::refuse(std::string_view sqlstate, std::string_view message) {
    reply('E', fmt::format("SERROR{0}VERROR{0}C{1}{0}M{2}{0}{0}", '\0', sqlstate, message));
}

asio::awaitable<void> HollowPostgres::send() {
    const auto out = std::exchange(out_, {});
    co_await asio::async_write(stream_, asio::buffer(out), asio::use_awaitable);
}

asio::awaitable<bool> HollowPostgres::log_in() {
    const auto size = number_at(co_await read_exactly(4));
    if (size < 8 || size > message_bytes_max) raise(ErrorKind::invalid, "bad_message", "no start of a session");
    if (const auto start = co_await read_exactly(size - 4); !start.starts_with(protocol_3))
        raise(ErrorKind::invalid, "bad_message", "another protocol than 3.0");
    reply('R', big_endian(10) + zero_ended("SCRAM-SHA-256-PLUS") + zero_ended("SCRAM-SHA-256") + '\0');
    co_await send();
    ScramServer scram(verifier_);
    const auto initial = co_await read_message();
    std::string_view rest = initial.body;
    take_text(rest);  // the mechanism
    if (rest.size() < 4) raise(ErrorKind::invalid, "bad_message", "no SASL response");
    reply('R', big_endian(11) + value_or_raise(scram.first(rest.substr(4))));
    co_await send();
    const auto proof = scram.last((co_await read_message()).body);
    if (!proof) {
        refuse("28P01", "password authentication failed for user \"postgres\"");
        co_await send();
        co_return false;
    }
    reply('R', big_endian(12) + *proof);
    reply('R', big_endian(0));
    for (const auto& [name, value] :
         {std::pair{"server_version", "17.5"}, {"client_encoding", "UTF8"}, {"standard_conforming_strings", "on"}})
        reply('S', zero_ended(name) + zero_ended(value));
    reply('K', big_endian(1) + big_endian(1));
    reply('Z', "I");
    co_await send();
    co_return true;
}

void HollowPostgres::execute(const std::string& sql) {
    const auto answer = is_question(sql) ? answer_to(sql, in_recovery_()) : std::nullopt;
    if (is_question(sql) && !answer) {
        failed_ = true;
        return refuse("0A000", "a hollow server does not know: " + sql);
    }
    if (sql.contains("pg_is_in_recovery()")) on_check_();
    if (answer) reply('D', row_of(*answer));
    if (sql.starts_with("BEGIN")) in_transaction_ = true;
    if (sql.starts_with("COMMIT") || sql.starts_with("ROLLBACK")) in_transaction_ = false;
    reply('C', zero_ended(answer ? "SELECT 1" : sql.substr(0, sql.find(' '))));
}

void HollowPostgres::take(const Message& message) {
    std::string_view rest = message.body;
    switch (message.type) {
        case 'P': {
            const auto name = take_text(rest);
            statements_[name] = take_text(rest);
            return reply('1');
        }
        case 'B':
            take_text(rest);
            portal_ = statements_[take_text(rest)];
            return reply('2');
        case 'D': {
            const auto answer = is_question(portal_) ? answer_to(portal_, false) : std::nullopt;
            return answer ? reply('T', description_of(*answer)) : reply('n');
        }
        case 'E':
            return execute(portal_);
        case 'C':
            return reply('3');
        default:
            raise(ErrorKind::invalid, "bad_message", fmt::format("a message of type '{}'", message.type));
    }
}

asio::awaitable<void> HollowPostgres::serve() {
    if (!co_await log_in()) co_return;
    for (;;) {
        const auto message = co_await read_message();
        if (message.type == 'X') co_return;
        if (message.type != 'S') {
            if (!failed_) take(message);
            continue;
        }
        failed_ = false;
        reply('Z', in_transaction_ ? "T" : "I");
        co_await send();
    }
}

}  // namespace toygres::bench
