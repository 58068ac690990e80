// Answers as HTTP/1.1 text. Inside src/http only.
#pragma once
#include "http/server.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace toygres::http {

struct Framing {
    std::optional<std::size_t> length;  // absent: chunks
    bool close;                         // this answer is the connection's last
    bool upgrade = false;               // another protocol follows
};

// Status line and fields up to the empty line. Fields of `headers` that frame the message are ignored.
std::string response_head(int status, const Headers& headers, Framing framing);
// 1xx, 204 and 304 have none.
bool may_have_body(int status);

std::string chunk_text(std::string_view data);
inline constexpr std::string_view last_chunk = "0\r\n\r\n";

// What options.error_page makes of it, or plain text.
Response error_response(const ServerOptions& options, int status, std::string_view detail);

}  // namespace toygres::http
