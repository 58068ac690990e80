// A connection string, after a line with the password that is put into it.
#include "fuzz/fuzz.hpp"
#include "pg/conninfo.hpp"

#include <libpq-fe.h>

#include <map>
#include <memory>

using namespace toygres;

namespace {

// What it says, by keyword; empty when it is no connection string.
std::map<std::string, std::string> options_of(const std::string& conninfo) {
    const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> options(
        PQconninfoParse(conninfo.c_str(), nullptr), &PQconninfoFree);
    std::map<std::string, std::string> out;
    for (const auto* option = options.get(); option != nullptr && option->keyword != nullptr; ++option)
        if (option->val != nullptr) out[option->keyword] = option->val;
    return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    auto text = fuzz::text_of(data, size);
    const std::string password(fuzz::take_line(text));
    const std::string conninfo(text);
    if (password.contains('\0')) return 0;
    const auto whole = pg::with_password(conninfo, Secret(password));
    if (!whole) {
        fuzz::expect_refusal(whole.error());
        return 0;
    }
    auto wanted = options_of(conninfo);
    wanted.emplace("password", password);
    TG_ASSERT(options_of(*whole) == wanted);
    return 0;
}
