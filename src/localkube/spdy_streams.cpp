#include "localkube/spdy_streams.hpp"

#include <algorithm>

namespace toygres::localkube {
namespace {

using Kind = SpdyStreams::Kind;
using spdy::FrameType;

// Before all streams are there; kubectl sends nothing by then.
constexpr std::size_t early_inputs_max = 16;
constexpr std::size_t resize_bytes_max = 4 << 10;

constexpr std::pair<std::string_view, Kind> names[] = {
    {"error", Kind::error},    {"stdin", Kind::stdin_},  {"stdout", Kind::stdout_},
    {"stderr", Kind::stderr_}, {"resize", Kind::resize},
};

std::optional<Kind> kind_of(std::string_view name) {
    const auto* it = std::ranges::find(names, name, &std::pair<std::string_view, Kind>::first);
    return it == std::end(names) ? std::nullopt : std::optional(it->second);
}

}  // namespace

bool SpdyStreams::take_frame() {
    if (over_) return false;
    auto frame = decoder_.next();
    if (!frame) {
        violate(frame.error().message);
        return false;
    }
    if (!*frame) return false;
    std::visit([this](auto& f) { take(std::move(f)); }, **frame);
    return true;
}

void SpdyStreams::open() {
    while (!complete() && take_frame()) {
    }
}

std::optional<ExecInput> SpdyStreams::next() {
    while (inputs_.empty())
        if (!take_frame()) return std::nullopt;
    auto input = std::move(inputs_.front());
    inputs_.pop_front();
    return input;
}

void SpdyStreams::take(spdy::HeaderFrame frame) {
    if (frame.type == FrameType::headers) return;
    if (frame.type == FrameType::syn_reply) return violate("a reply to a stream that nobody opened");
    if (frame.stream % 2 == 0 || frame.stream <= last_id_) return violate("a client's streams are odd and rise");
    last_id_ = frame.stream;
    const auto kind = kind_of(spdy::field_of(frame.fields, "streamtype"));
    if (!kind || std::ranges::find(wanted_, *kind) == wanted_.end() || ids_.contains(*kind))
        return reset(frame.stream, spdy::ResetReason::refused_stream);
    ids_[*kind] = frame.stream;
    auto& stream = streams_[frame.stream] = {.kind = *kind};
    replies_ += encoder_.encode(spdy::HeaderFrame{FrameType::syn_reply, frame.stream, false, {}});
    if (frame.last) end_input(stream);
}

void SpdyStreams::take(spdy::DataFrame frame) {
    const auto it = streams_.find(frame.stream);
    if (it == streams_.end()) return reset(frame.stream, spdy::ResetReason::invalid_stream);
    auto& stream = it->second;
    if (!stream.receives) return reset(frame.stream, spdy::ResetReason::stream_already_closed);
    if (stream.kind == Kind::stdin_ && !frame.bytes.empty()) inputs_.emplace_back(ExecStdin{std::move(frame.bytes)});
    if (stream.kind == Kind::resize) take_resize(frame.bytes);
    if (frame.last) end_input(stream);
    if (!complete() && inputs_.size() > early_inputs_max) violate("input before the streams are there");
}

void SpdyStreams::take(spdy::NumberFrame frame) {
    const auto it = streams_.find(frame.subject);
    if (frame.type == FrameType::goaway) over_ = true;
    // Even ones would answer ours.
    if (frame.type == FrameType::ping && frame.subject % 2 == 1) replies_ += encoder_.encode(frame);
    if (frame.type != FrameType::rst_stream || it == streams_.end()) return;
    it->second.sends = false;
    end_input(it->second);
}

// One message a line; a frame may hold any part of it.
void SpdyStreams::take_resize(std::string_view bytes) {
    resize_ += bytes;
    std::size_t begin = 0;
    for (auto end = resize_.find('\n'); end != std::string::npos; end = resize_.find('\n', begin)) {
        if (const auto size = parse_resize(std::string_view(resize_).substr(begin, end - begin)))
            inputs_.emplace_back(*size);
        begin = end + 1;
    }
    resize_.erase(0, begin);
    if (resize_.size() > resize_bytes_max) violate("a terminal's size is too long");
}

void SpdyStreams::end_input(Stream& stream) {
    if (std::exchange(stream.receives, false) && stream.kind == Kind::stdin_) inputs_.emplace_back(ExecStdinEnd{});
}

std::string SpdyStreams::output(int stream, std::string data) {
    const auto it = ids_.find(stream == 1 ? Kind::stdout_ : Kind::stderr_);
    if (it == ids_.end() || data.empty() || !streams_[it->second].sends) return {};
    return encoder_.encode(spdy::DataFrame{it->second, false, std::move(data)});
}

std::string SpdyStreams::last_data(Kind kind, std::string data) {
    const auto it = ids_.find(kind);
    if (it == ids_.end() || !std::exchange(streams_[it->second].sends, false)) return {};
    return encoder_.encode(spdy::DataFrame{it->second, true, std::move(data)});
}

std::string SpdyStreams::finish(std::string status) {
    std::string out;
    for (const auto kind : {Kind::stdout_, Kind::stderr_, Kind::resize, Kind::stdin_}) out += last_data(kind, {});
    out += last_data(Kind::error, std::move(status));
    return out += encoder_.encode(
               spdy::NumberFrame{FrameType::goaway, last_id_, static_cast<std::uint32_t>(spdy::EndReason::ok)});
}

void SpdyStreams::reset(std::uint32_t stream, spdy::ResetReason reason) {
    replies_ += encoder_.encode(spdy::NumberFrame{FrameType::rst_stream, stream, static_cast<std::uint32_t>(reason)});
}

void SpdyStreams::violate(std::string what) {
    over_ = true;
    violation_ = std::move(what);
    replies_ += encoder_.encode(
        spdy::NumberFrame{FrameType::goaway, last_id_, static_cast<std::uint32_t>(spdy::EndReason::protocol_error)});
}

}  // namespace toygres::localkube
