#include "pg/conninfo.hpp"

#include <fmt/format.h>
#include <libpq-fe.h>

#include <memory>
#include <string_view>

namespace toygres::pg {
namespace {

std::string in_quotes(std::string_view value) {
    std::string out = "'";
    for (const char c : value) {
        if (c == '\'' || c == '\\') out += '\\';
        out += c;
    }
    return out += "'";
}

}  // namespace

Result<std::string> with_password(const std::string& conninfo, const Secret& password) {
    char* message = nullptr;
    const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> options(
        PQconninfoParse(conninfo.c_str(), &message), &PQconninfoFree);
    const std::unique_ptr<char, decltype(&PQfreemem)> held(message, &PQfreemem);
    if (!options) {
        std::string_view why = message == nullptr ? "out of memory" : message;
        why = why.substr(0, why.find_last_not_of('\n') + 1);
        return std::unexpected(Error{ErrorKind::invalid, "bad_conninfo", fmt::format("the database's URL: {}", why)});
    }
    std::string out;
    for (const auto* option = options.get(); option->keyword != nullptr; ++option) {
        if (option->val == nullptr) continue;
        if (std::string_view(option->keyword) == "password") return conninfo;
        out += fmt::format("{}={} ", option->keyword, in_quotes(option->val));
    }
    return out + "password=" + in_quotes(password.reveal());
}

}  // namespace toygres::pg
