// Frames of SPDY/3.1 to and from bytes, without I/O. After the SPDY/3 draft, section 2.
#pragma once
#include "localkube/spdy_headers.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace toygres::localkube::spdy {

enum class FrameType : std::uint8_t {
    syn_stream = 1,
    syn_reply = 2,
    rst_stream = 3,
    settings = 4,
    ping = 6,
    goaway = 7,
    headers = 8,
    window_update = 9,
};

// Why a stream is reset.
enum class ResetReason : std::uint32_t { invalid_stream = 2, refused_stream = 3, stream_already_closed = 9 };
// Why the connection ends.
enum class EndReason : std::uint32_t { ok = 0, protocol_error = 1 };

// syn_stream, syn_reply, headers.
struct HeaderFrame {
    FrameType type;
    std::uint32_t stream;
    bool last;  // nothing more comes in this direction
    Fields fields;
};
struct DataFrame {
    std::uint32_t stream;
    bool last;
    std::string bytes;
};
// The others are one or two numbers.
struct NumberFrame {
    FrameType type;
    std::uint32_t subject;  // the stream; of ping its id; of goaway the last stream that was seen; of settings nothing
    std::uint32_t value;    // why, of rst_stream and goaway; of window_update how much
};
using Frame = std::variant<HeaderFrame, DataFrame, NumberFrame>;

class Decoder {
  public:
    void feed(std::string_view bytes) { buffer_ += bytes; }
    // The next whole frame; nullopt: it needs more bytes. Error: invalid/"spdy_violation": a frame that cannot be, or
    // one beyond the limits (data 1 MiB, all others 16 KiB). Nothing follows an error.
    Result<std::optional<Frame>> next();

  private:
    Result<std::optional<Frame>> decode_control(std::uint32_t type, bool last, std::string_view body);
    Result<std::optional<Frame>> decode_headers(FrameType type, bool last, std::string_view body);

    std::string buffer_;
    HeaderReader headers_;
};

class Encoder {
  public:
    std::string encode(const Frame& frame);

  private:
    HeaderWriter headers_;
};

}  // namespace toygres::localkube::spdy
