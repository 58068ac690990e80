#include "localkube/spdy_frames.hpp"

#include "base/assert.hpp"

#include <utility>

namespace toygres::localkube::spdy {
namespace {

constexpr std::size_t head_bytes = 8;
constexpr std::size_t data_bytes_max = 1 << 20;
constexpr std::size_t control_bytes_max = 16 << 10;
constexpr std::uint32_t control_bit = 0x8000'0000;
constexpr std::uint32_t version = 3;
constexpr std::uint32_t flag_last = 1;
// Of a stream's number, a window's size and the like the highest bit means nothing.
constexpr std::uint32_t number_mask = 0x7fff'ffff;

// What stands before the header block: the stream and, of syn_stream, its parent, priority and slot.
std::size_t fixed_bytes(FrameType type) { return type == FrameType::syn_stream ? 10 : 4; }

Result<std::optional<Frame>> decode_settings(std::string_view body) {
    constexpr std::size_t entry_bytes = 8;
    if (body.size() < 4 || (body.size() - 4) / entry_bytes != number_at(body, 0) || (body.size() - 4) % entry_bytes)
        return std::unexpected(violation("a settings frame has the wrong length"));
    return NumberFrame{FrameType::settings, 0, number_at(body, 0)};
}

Result<std::optional<Frame>> decode_numbers(FrameType type, std::string_view body) {
    const bool has_value = type != FrameType::ping;
    if (body.size() != (has_value ? 8U : 4U)) return std::unexpected(violation("a frame has the wrong length"));
    const auto subject = number_at(body, 0);
    return NumberFrame{type, has_value ? subject & number_mask : subject, has_value ? number_at(body, 4) : 0};
}

}  // namespace

Result<std::optional<Frame>> Decoder::next() {
    while (buffer_.size() >= head_bytes) {
        const auto first = number_at(buffer_, 0);
        const bool is_data = !(first & control_bit);
        const bool last = number_at(buffer_, 4, 1) & flag_last;
        const std::size_t length = number_at(buffer_, 5, 3);
        if (length > (is_data ? data_bytes_max : control_bytes_max))
            return std::unexpected(violation("a frame is too large"));
        if (buffer_.size() < head_bytes + length) break;
        auto body = buffer_.substr(head_bytes, length);
        buffer_.erase(0, head_bytes + length);
        if (is_data) return DataFrame{first, last, std::move(body)};
        if ((first & ~control_bit) >> 16 != version) return std::unexpected(violation("a frame of another version"));
        auto frame = decode_control(first & 0xffff, last, body);
        if (!frame) return std::unexpected(frame.error());
        if (*frame) return frame;
    }
    return std::nullopt;
}

// What is of no known type is to be passed over.
Result<std::optional<Frame>> Decoder::decode_control(std::uint32_t type, bool last, std::string_view body) {
    switch (type) {
        case std::to_underlying(FrameType::syn_stream):
        case std::to_underlying(FrameType::syn_reply):
        case std::to_underlying(FrameType::headers):
            return decode_headers(static_cast<FrameType>(type), last, body);
        case std::to_underlying(FrameType::settings):
            return decode_settings(body);
        case std::to_underlying(FrameType::rst_stream):
        case std::to_underlying(FrameType::ping):
        case std::to_underlying(FrameType::goaway):
        case std::to_underlying(FrameType::window_update):
            return decode_numbers(static_cast<FrameType>(type), body);
        default:
            return std::nullopt;
    }
}

Result<std::optional<Frame>> Decoder::decode_headers(FrameType type, bool last, std::string_view body) {
    if (body.size() < fixed_bytes(type)) return std::unexpected(violation("a frame has the wrong length"));
    auto fields = headers_.read(body.substr(fixed_bytes(type)));
    if (!fields) return std::unexpected(fields.error());
    return HeaderFrame{type, number_at(body, 0) & number_mask, last, *std::move(fields)};
}

std::string Encoder::encode(const Frame& frame) {
    std::string out;
    if (const auto* data = std::get_if<DataFrame>(&frame)) {
        TG_ASSERT(data->bytes.size() <= data_bytes_max);
        put_number(out, data->stream);
        put_number(out, data->last ? flag_last : 0, 1);
        put_number(out, static_cast<std::uint32_t>(data->bytes.size()), 3);
        return out += data->bytes;
    }
    std::string body;
    FrameType type{};
    bool last = false;
    if (const auto* headers = std::get_if<HeaderFrame>(&frame)) {
        type = headers->type;
        last = headers->last;
        put_number(body, headers->stream);
        body.append(fixed_bytes(type) - body.size(), '\0');
        body += headers_.write(headers->fields);
    } else {
        const auto& numbers = std::get<NumberFrame>(frame);
        type = numbers.type;
        put_number(body, type == FrameType::settings ? 0 : numbers.subject);
        if (type != FrameType::settings && type != FrameType::ping) put_number(body, numbers.value);
    }
    put_number(out, 0x8000 | version, 2);
    put_number(out, static_cast<std::uint32_t>(type), 2);
    put_number(out, last ? flag_last : 0, 1);
    put_number(out, static_cast<std::uint32_t>(body.size()), 3);
    return out += body;
}

}  // namespace toygres::localkube::spdy
