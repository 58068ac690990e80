#include "http/response_text.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>

namespace toygres::http {
namespace {

// A line break in a value would start a field of somebody else's making.
std::string one_line(std::string text) {
    std::ranges::replace_if(text, [](char c) { return c == '\r' || c == '\n' || c == '\0'; }, ' ');
    return text;
}

bool frames_message(std::string_view name) {
    Headers framing{{std::string(name), ""}};
    return framing.has("Content-Length") || framing.has("Transfer-Encoding") || framing.has("Connection");
}

}  // namespace

std::string response_head(int status, const Headers& headers, Framing framing) {
    auto out = fmt::format("HTTP/1.1 {} {}\r\nDate: {:%a, %d %b %Y %H:%M:%S GMT}\r\n", status, reason_phrase(status),
                           fmt::gmtime(std::time(nullptr)));
    for (const auto& [name, value] : headers)
        if (!frames_message(name)) out += fmt::format("{}: {}\r\n", one_line(name), one_line(value));
    if (framing.close) out += "Connection: close\r\n";
    if (framing.upgrade) out += "Connection: Upgrade\r\n";
    if (!framing.length)
        out += "Transfer-Encoding: chunked\r\n";
    else if (may_have_body(status))
        out += fmt::format("Content-Length: {}\r\n", *framing.length);
    out += "\r\n";
    return out;
}

bool may_have_body(int status) { return status >= 200 && status != 204 && status != 304; }

std::string chunk_text(std::string_view data) { return fmt::format("{:x}\r\n{}\r\n", data.size(), data); }

Response error_response(const ServerOptions& options, int status, std::string_view detail) {
    if (options.error_page) return options.error_page(status, detail);
    return {status,
            {{"Content-Type", "text/plain; charset=utf-8"}},
            fmt::format("{}: {}\n", reason_phrase(status), detail)};
}

}  // namespace toygres::http
