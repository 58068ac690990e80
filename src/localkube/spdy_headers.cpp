#include "localkube/spdy_headers.hpp"

#include "base/assert.hpp"

#include <algorithm>
#include <array>
#include <zlib.h>

namespace toygres::localkube::spdy {
namespace {

constexpr std::size_t block_bytes_max = 16 << 10;
constexpr std::uint32_t fields_max = 64;

// The dictionary of the SPDY/3 draft, section 2.6.10.1: words behind their lengths, then a text.
constexpr std::string_view dictionary_words[] = {
    "options",
    "head",
    "post",
    "put",
    "delete",
    "trace",
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "accept-ranges",
    "age",
    "allow",
    "authorization",
    "cache-control",
    "connection",
    "content-base",
    "content-encoding",
    "content-language",
    "content-length",
    "content-location",
    "content-md5",
    "content-range",
    "content-type",
    "date",
    "etag",
    "expect",
    "expires",
    "from",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "last-modified",
    "location",
    "max-forwards",
    "pragma",
    "proxy-authenticate",
    "proxy-authorization",
    "range",
    "referer",
    "retry-after",
    "server",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "vary",
    "via",
    "warning",
    "www-authenticate",
    "method",
    "get",
    "status",
    "200 OK",
    "version",
    "HTTP/1.1",
    "url",
    "public",
    "set-cookie",
    "keep-alive",
    "origin",
};
constexpr std::string_view dictionary_text =
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505203 Non-Authoritativ"
    "e Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden404 Not Found500 I"
    "nternal Server Error501 Not Implemented503 Service UnavailableJan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec"
    " 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,application/xm"
    "l,application/xhtml+xml,text/plain,text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset="
    "iso-8859-1,utf-,*,enq=0.";
constexpr std::size_t dictionary_bytes = 1423;

const std::string& dictionary() {
    static const std::string whole = [] {
        std::string out;
        for (const auto word : dictionary_words) {
            put_number(out, static_cast<std::uint32_t>(word.size()));
            out += word;
        }
        out += dictionary_text;
        TG_ASSERT(out.size() == dictionary_bytes);
        return out;
    }();
    return whole;
}

// zlib takes bytes that it does not write through pointers that could.
Bytef* bytes_of(std::string_view text) { return reinterpret_cast<Bytef*>(const_cast<char*>(text.data())); }

// A name or a value: its length and its bytes, taken off the front.
Result<std::string_view> take_text(std::string_view& block) {
    if (block.size() < 4) return std::unexpected(violation("a header block ends too early"));
    const auto length = number_at(block, 0);
    block.remove_prefix(4);
    if (length > block.size()) return std::unexpected(violation("a header block ends too early"));
    const auto out = block.substr(0, length);
    block.remove_prefix(length);
    return out;
}

bool is_name(std::string_view text) {
    return !text.empty() && std::ranges::none_of(text, [](char c) { return c >= 'A' && c <= 'Z'; });
}

Result<Fields> parse_fields(std::string_view block) {
    if (block.size() < 4) return std::unexpected(violation("a header block ends too early"));
    const auto count = number_at(block, 0);
    block.remove_prefix(4);
    if (count > fields_max) return std::unexpected(violation("too many header fields"));
    Fields out;
    for (std::uint32_t i = 0; i < count; ++i) {
        const auto name = take_text(block);
        if (!name) return std::unexpected(name.error());
        const auto value = take_text(block);
        if (!value) return std::unexpected(value.error());
        if (!is_name(*name)) return std::unexpected(violation("a header field has no name, or not a lower-case one"));
        if (std::ranges::find(out, *name, &Fields::value_type::first) != out.end())
            return std::unexpected(violation("a header field comes twice"));
        out.emplace_back(*name, *value);
    }
    if (!block.empty()) return std::unexpected(violation("a header block goes on behind its fields"));
    return out;
}

void end_inflate(z_stream_s* stream) {
    inflateEnd(stream);
    delete stream;
}
void end_deflate(z_stream_s* stream) {
    deflateEnd(stream);
    delete stream;
}

}  // namespace

Error violation(std::string message) { return {ErrorKind::invalid, "spdy_violation", std::move(message)}; }

std::uint32_t number_at(std::string_view bytes, std::size_t at, int length) {
    std::uint32_t out = 0;
    for (const char byte : bytes.substr(at, static_cast<std::size_t>(length)))
        out = out << 8 | static_cast<unsigned char>(byte);
    return out;
}

void put_number(std::string& out, std::uint32_t number, int length) {
    for (int shift = 8 * (length - 1); shift >= 0; shift -= 8) out += static_cast<char>(number >> shift & 0xff);
}

std::string_view field_of(const Fields& fields, std::string_view name) {
    const auto it = std::ranges::find(fields, name, &Fields::value_type::first);
    return it == fields.end() ? std::string_view() : it->second;
}

HeaderReader::HeaderReader() : stream_(new z_stream_s{}, end_inflate) { TG_ASSERT(inflateInit(stream_.get()) == Z_OK); }

Result<std::string> HeaderReader::inflate_block(std::string_view block) {
    std::string out(block_bytes_max, '\0');
    stream_->next_in = bytes_of(block);
    stream_->avail_in = static_cast<uInt>(block.size());
    stream_->next_out = bytes_of(out);
    stream_->avail_out = static_cast<uInt>(out.size());
    auto result = inflate(stream_.get(), Z_SYNC_FLUSH);
    if (result == Z_NEED_DICT) {
        if (inflateSetDictionary(stream_.get(), bytes_of(dictionary()), dictionary_bytes) != Z_OK)
            return std::unexpected(violation("header blocks are compressed with another dictionary"));
        result = inflate(stream_.get(), Z_SYNC_FLUSH);
    }
    if (result != Z_OK && result != Z_BUF_ERROR) return std::unexpected(violation("a header block is not deflated"));
    if (stream_->avail_in > 0 || stream_->avail_out == 0)
        return std::unexpected(violation("a header block is too large"));
    out.resize(out.size() - stream_->avail_out);
    return out;
}

Result<Fields> HeaderReader::read(std::string_view block) {
    const auto text = inflate_block(block);
    if (!text) return std::unexpected(text.error());
    return parse_fields(*text);
}

HeaderWriter::HeaderWriter() : stream_(new z_stream_s{}, end_deflate) {
    TG_ASSERT(deflateInit(stream_.get(), Z_DEFAULT_COMPRESSION) == Z_OK);
    TG_ASSERT(deflateSetDictionary(stream_.get(), bytes_of(dictionary()), dictionary_bytes) == Z_OK);
}

std::string HeaderWriter::write(const Fields& fields) {
    std::string block;
    put_number(block, static_cast<std::uint32_t>(fields.size()));
    for (const auto& [name, value] : fields)
        for (const auto& text : {name, value}) {
            put_number(block, static_cast<std::uint32_t>(text.size()));
            block += text;
        }
    // The bound is that of a whole stream; a flush adds a few bytes.
    std::string out(deflateBound(stream_.get(), block.size()) + 16, '\0');
    stream_->next_in = bytes_of(block);
    stream_->avail_in = static_cast<uInt>(block.size());
    stream_->next_out = bytes_of(out);
    stream_->avail_out = static_cast<uInt>(out.size());
    TG_ASSERT(deflate(stream_.get(), Z_SYNC_FLUSH) == Z_OK && stream_->avail_in == 0 && stream_->avail_out > 0);
    out.resize(out.size() - stream_->avail_out);
    return out;
}

}  // namespace toygres::localkube::spdy
