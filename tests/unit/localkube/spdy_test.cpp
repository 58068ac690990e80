// SPDY/3.1 without sockets: header blocks, frames, and the streams of a command.
#include "localkube/spdy_streams.hpp"
#include "support/catch.hpp"

#include <random>

using namespace toygres;
using namespace toygres::localkube;
using namespace toygres::localkube::spdy;
using Kind = SpdyStreams::Kind;

namespace {

std::string from_hex(std::string_view hex) {
    std::string out;
    for (std::size_t i = 0; i < hex.size(); i += 2)
        out += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
    return out;
}

// What kubectl 1.20.2 sends to open the streams of `exec -i`.
const std::string kubectl_opens = from_hex(
    "80030001000000290000000100000000000078f9e3c6a7c26260606004a7b392a2d4c45c6851c29a0a0a6800000000ffff"
    "800300010000001700000003000000000000c22e555c92929907000000ffff"
    "800300010000001900000005000000000000c22ac5565c92925f5a02000000ffff"
    "800300010000001500000007000000000000c229975a5404000000ffff");

std::string control(std::uint32_t type, std::string_view body, std::uint32_t version = 3) {
    std::string out;
    put_number(out, 0x8000 | version, 2);
    put_number(out, type, 2);
    put_number(out, static_cast<std::uint32_t>(body.size()));
    return out += body;
}

HeaderFrame syn(std::uint32_t stream, std::string kind, bool last = false) {
    return {FrameType::syn_stream, stream, last, {{"streamtype", std::move(kind)}}};
}

std::vector<Frame> decode(std::string_view bytes) {
    Decoder decoder;
    decoder.feed(bytes);
    std::vector<Frame> out;
    while (auto frame = value_or_raise(decoder.next())) out.push_back(*std::move(frame));
    return out;
}

// Is that refused, and does it stay a refusal to wait for more?
bool is_violation(std::string_view bytes) {
    Decoder decoder;
    decoder.feed(bytes);
    const auto frame = decoder.next();
    return !frame && frame.error().code == "spdy_violation";
}

// A command's streams with the client that opens them.
struct Conversation {
    explicit Conversation(std::vector<Kind> wanted) : streams(std::move(wanted)) {}

    void client_sends(const Frame& frame) { streams.feed(encoder.encode(frame)); }
    std::vector<Frame> server_says(std::string_view bytes) {
        decoder.feed(bytes);
        std::vector<Frame> out;
        while (auto frame = value_or_raise(decoder.next())) out.push_back(*std::move(frame));
        return out;
    }
    std::vector<Frame> replies() { return server_says(streams.take_replies()); }

    SpdyStreams streams;
    Encoder encoder;
    Decoder decoder;
};

Conversation opened(const std::vector<std::pair<Kind, std::string>>& kinds) {
    std::vector<Kind> wanted;
    for (const auto& [kind, name] : kinds) wanted.push_back(kind);
    Conversation out(wanted);
    std::uint32_t stream = 1;
    for (const auto& [kind, name] : kinds) {
        out.client_sends(syn(stream, name));
        stream += 2;
    }
    out.streams.open();
    REQUIRE(out.streams.complete());
    REQUIRE(out.replies().size() == kinds.size());
    return out;
}

// The only frame there is, one of numbers.
NumberFrame only_numbers(const std::vector<Frame>& frames) {
    REQUIRE(frames.size() == 1);
    return std::get<NumberFrame>(frames[0]);
}

bool is_protocol_error(const std::vector<Frame>& frames) {
    const auto& last = std::get<NumberFrame>(frames.back());
    return last.type == FrameType::goaway && last.value == 1;
}

}  // namespace

TEST_CASE("spdy: header blocks come back as they were, one after the other") {
    HeaderWriter writer;
    HeaderReader reader;
    const std::vector<Fields> blocks{
        {}, {{"streamtype", "stdin"}}, {{"streamtype", "stdin"}, {"x", ""}}, {{"long", std::string(8000, 'a')}}};
    for (const auto& fields : blocks) CHECK(reader.read(writer.write(fields)) == fields);
    // Without the one before it a block means nothing.
    HeaderReader late;
    CHECK(!late.read(writer.write({{"streamtype", "stdin"}})));
}

TEST_CASE("spdy: header blocks that cannot be are refused") {
    const auto refused = [](const Fields& fields) {
        HeaderWriter writer;
        HeaderReader reader;
        return !reader.read(writer.write(fields));
    };
    CHECK(!refused({{"a", "b"}}));
    CHECK(refused({{"A", "b"}}));
    CHECK(refused({{"", "b"}}));
    CHECK(refused({{"a", "b"}, {"a", "b"}}));
    CHECK(refused({{"a", std::string(17'000, 'x')}}));
    // A bomb: a few bytes that would be a megabyte.
    CHECK(refused({{"a", std::string(1'000'000, '\0')}}));
    Fields many;
    for (int i = 0; i < 65; ++i) many.emplace_back(std::to_string(i), "");
    CHECK(refused(many));

    HeaderWriter writer;
    const auto whole = writer.write({{"streamtype", "stdout"}});
    for (std::size_t size = 0; size < whole.size() - 5; ++size) CHECK(!HeaderReader().read(whole.substr(0, size)));
    CHECK(!HeaderReader().read("not deflated"));
    CHECK(!HeaderReader().read(from_hex("78f900000001")));  // another dictionary
}

TEST_CASE("spdy: what kubectl 1.20 sends is understood") {
    const auto frames = decode(kubectl_opens);
    REQUIRE(frames.size() == 4);
    std::uint32_t stream = 1;
    for (const auto* name : {"error", "stdin", "stdout", "stderr"}) {
        const auto& frame = std::get<HeaderFrame>(frames[stream / 2]);
        CHECK(frame.type == FrameType::syn_stream);
        CHECK(frame.stream == stream);
        CHECK(!frame.last);
        CHECK(frame.fields == Fields{{"streamtype", name}});
        stream += 2;
    }
}

TEST_CASE("spdy: frames come back as they were, however they are cut") {
    Encoder encoder;
    std::string bytes;
    bytes += encoder.encode(syn(1, "stdin", true));
    bytes += encoder.encode(HeaderFrame{FrameType::syn_reply, 1, false, {}});
    bytes += encoder.encode(DataFrame{1, false, "some bytes"});
    bytes += encoder.encode(DataFrame{3, true, ""});
    bytes += encoder.encode(NumberFrame{FrameType::ping, 0xffff'ffff, 0});
    bytes += encoder.encode(NumberFrame{FrameType::settings, 0, 0});
    bytes += encoder.encode(NumberFrame{FrameType::rst_stream, 5, 3});
    bytes += encoder.encode(NumberFrame{FrameType::window_update, 5, 1000});
    bytes += encoder.encode(NumberFrame{FrameType::goaway, 5, 1});
    bytes += encoder.encode(HeaderFrame{FrameType::headers, 1, false, {{"a", "b"}}});
    Decoder decoder;
    std::vector<Frame> frames;
    for (const char byte : bytes) {
        decoder.feed({&byte, 1});
        if (auto frame = value_or_raise(decoder.next())) frames.push_back(*std::move(frame));
    }
    REQUIRE(frames.size() == 10);
    CHECK(std::get<HeaderFrame>(frames[0]).last);
    CHECK(std::get<HeaderFrame>(frames[1]).type == FrameType::syn_reply);
    CHECK(std::get<DataFrame>(frames[2]).bytes == "some bytes");
    CHECK(std::get<DataFrame>(frames[3]).stream == 3);
    CHECK(std::get<DataFrame>(frames[3]).last);
    CHECK(std::get<NumberFrame>(frames[4]).subject == 0xffff'ffff);
    CHECK(std::get<NumberFrame>(frames[6]).value == 3);
    CHECK(std::get<NumberFrame>(frames[7]).type == FrameType::window_update);
    CHECK(std::get<NumberFrame>(frames[8]).subject == 5);
    CHECK(std::get<HeaderFrame>(frames[9]).fields == Fields{{"a", "b"}});
}

TEST_CASE("spdy: frames that cannot be are refused, unknown ones passed over") {
    CHECK(is_violation(control(6, "1234", 2)));
    for (const std::uint32_t type : {3, 7, 9}) {
        CHECK(is_violation(control(type, "1234567")));
        CHECK(is_violation(control(type, "123456789")));
    }
    CHECK(is_violation(control(6, "")));
    CHECK(is_violation(control(1, "123456789")));
    CHECK(is_violation(control(1, "1234567890not deflated")));
    CHECK(is_violation(control(2, "123")));
    CHECK(is_violation(control(4, from_hex("00000002") + "12345678")));
    CHECK(is_violation(control(4, from_hex("ffffffff"))));
    CHECK(is_violation(control(4, "12")));
    CHECK(decode(control(4, from_hex("00000001") + "12345678")).size() == 1);
    // Too large: said by the head alone, before a buffer grows.
    CHECK(is_violation(from_hex("8003000100004001")));
    CHECK(is_violation(from_hex("0000000100100001")));
    CHECK(decode(from_hex("0000000100100000")).empty());
    CHECK(decode(control(5, "anything") + control(0x106, "anything") + control(6, "1234")).size() == 1);
}

TEST_CASE("spdy: no damage to what kubectl sends does more than end the conversation") {
    std::mt19937 random(1);
    const auto below = [&](std::size_t limit) {
        return std::uniform_int_distribution<std::size_t>(0, limit - 1)(random);
    };
    int broken = 0;
    for (int round = 0; round < 2000; ++round) {
        auto bytes = kubectl_opens + std::string("\0\0\0\3\1\0\0\2hi", 10);
        for (auto left = 1 + below(4); left > 0; --left) bytes[below(bytes.size())] = static_cast<char>(below(256));
        SpdyStreams streams({Kind::error, Kind::stdin_, Kind::stdout_, Kind::stderr_});
        streams.feed(bytes);
        streams.open();
        while (streams.next()) {
        }
        broken += streams.over();
        streams.output(1, "x");
        streams.finish("{}");
    }
    CHECK(broken > 0);
}

TEST_CASE("spdy: the wanted streams are opened once each, others are refused") {
    Conversation talk({Kind::error, Kind::stdout_});
    talk.client_sends(syn(1, "stdin"));
    talk.client_sends(syn(3, "error"));
    talk.client_sends(syn(5, "error"));
    talk.client_sends(HeaderFrame{FrameType::syn_stream, 7, false, {{"port", "80"}}});
    talk.streams.open();
    CHECK(!talk.streams.complete());
    talk.client_sends(syn(9, "stdout"));
    talk.streams.open();
    CHECK(talk.streams.complete());
    const auto replies = talk.replies();
    REQUIRE(replies.size() == 5);
    for (const std::size_t refused : {0, 2, 3}) {
        const auto& frame = std::get<NumberFrame>(replies[refused]);
        CHECK(frame.type == FrameType::rst_stream);
        CHECK(frame.subject == 2 * refused + 1);
        CHECK(frame.value == static_cast<std::uint32_t>(ResetReason::refused_stream));
    }
    for (const std::size_t accepted : {1, 4}) {
        const auto& frame = std::get<HeaderFrame>(replies[accepted]);
        CHECK(frame.type == FrameType::syn_reply);
        CHECK(frame.stream == 2 * accepted + 1);
    }
    CHECK(!talk.streams.over());
}

TEST_CASE("spdy: stdin arrives in order and ends, even what was sent early") {
    Conversation talk({Kind::error, Kind::stdin_, Kind::stdout_});
    talk.client_sends(syn(1, "error"));
    talk.client_sends(syn(3, "stdin"));
    talk.client_sends(DataFrame{3, false, "early"});
    talk.streams.open();
    talk.client_sends(syn(5, "stdout"));
    talk.client_sends(DataFrame{3, true, "last"});
    talk.streams.open();
    CHECK(std::get<ExecStdin>(*talk.streams.next()).data == "early");
    CHECK(std::get<ExecStdin>(*talk.streams.next()).data == "last");
    CHECK(std::holds_alternative<ExecStdinEnd>(*talk.streams.next()));
    CHECK(!talk.streams.next());
    CHECK(talk.replies().size() == 3);
    talk.client_sends(DataFrame{3, false, "after the end"});
    CHECK(!talk.streams.next());
    CHECK(only_numbers(talk.replies()).value == static_cast<std::uint32_t>(ResetReason::stream_already_closed));
    talk.client_sends(DataFrame{9, false, "to nobody"});
    CHECK(!talk.streams.next());
    CHECK(only_numbers(talk.replies()).value == static_cast<std::uint32_t>(ResetReason::invalid_stream));
}

TEST_CASE("spdy: a reset of stdin ends it, a reset of stdout ends what is sent there") {
    auto talk = opened({{Kind::error, "error"}, {Kind::stdin_, "stdin"}, {Kind::stdout_, "stdout"}});
    CHECK(!talk.streams.output(1, "x").empty());
    CHECK(talk.streams.output(1, "").empty());
    CHECK(talk.streams.output(2, "no such stream").empty());
    talk.client_sends(NumberFrame{FrameType::rst_stream, 3, 5});
    talk.client_sends(NumberFrame{FrameType::rst_stream, 5, 5});
    CHECK(std::holds_alternative<ExecStdinEnd>(*talk.streams.next()));
    CHECK(!talk.streams.next());
    CHECK(talk.streams.output(1, "x").empty());
    CHECK(!talk.streams.over());
}

TEST_CASE("spdy: sizes of the terminal are read line by line, senseless ones ignored") {
    auto talk = opened({{Kind::error, "error"}, {Kind::resize, "resize"}});
    talk.client_sends(DataFrame{3, false, "{\"Width\":80,\"He"});
    CHECK(!talk.streams.next());
    talk.client_sends(DataFrame{3, false,
                                "ight\":24}\n{\"Width\":0,\"Height\":1}\n{\"Width\":\"1\",\"Height\":1}\n[]\nno\n"
                                "{\"Width\":1,\"Height\":70000}\n{\"Width\":1}\n{\"Width\":2,\"Height\":1}\n"});
    CHECK(std::get<ExecResize>(*talk.streams.next()).columns == 80);
    CHECK(std::get<ExecResize>(*talk.streams.next()).columns == 2);
    CHECK(!talk.streams.next());
    talk.client_sends(DataFrame{3, false, std::string(5000, ' ')});
    CHECK(!talk.streams.next());
    CHECK(is_protocol_error(talk.replies()));
}

TEST_CASE("spdy: the end is said on every stream, the outcome on its own, and then goodbye") {
    auto talk = opened({{Kind::error, "error"}, {Kind::stdin_, "stdin"}, {Kind::stdout_, "stdout"}});
    const auto frames = talk.server_says(talk.streams.finish("{}"));
    REQUIRE(frames.size() == 4);
    const auto& outcome = std::get<DataFrame>(frames[2]);
    CHECK(outcome.stream == 1);
    CHECK(outcome.bytes == "{}");
    for (std::size_t i = 0; i < 3; ++i) CHECK(std::get<DataFrame>(frames[i]).last);
    CHECK(std::get<NumberFrame>(frames[3]).type == FrameType::goaway);
    CHECK(std::get<NumberFrame>(frames[3]).value == 0);
    CHECK(talk.streams.output(1, "more").empty());
}

TEST_CASE("spdy: pings are echoed; settings, windows and headers are not answered") {
    auto talk = opened({{Kind::error, "error"}});
    talk.client_sends(NumberFrame{FrameType::ping, 7, 0});
    talk.client_sends(NumberFrame{FrameType::ping, 8, 0});
    talk.client_sends(NumberFrame{FrameType::settings, 0, 0});
    talk.client_sends(NumberFrame{FrameType::window_update, 1, 1000});
    talk.client_sends(HeaderFrame{FrameType::headers, 1, false, {{"a", "b"}}});
    CHECK(!talk.streams.next());
    const auto ping = only_numbers(talk.replies());
    CHECK(ping.type == FrameType::ping);
    CHECK(ping.subject == 7);
    talk.client_sends(NumberFrame{FrameType::goaway, 0, 0});
    CHECK(!talk.streams.next());
    CHECK(talk.streams.over());
    CHECK(talk.replies().empty());
}

TEST_CASE("spdy: who breaks the protocol is told so and heard no more") {
    const std::vector<Frame> breaches{
        syn(2, "stdout"),                                 // a number that only we may give
        syn(1, "stdout"),                                 // one that was used
        HeaderFrame{FrameType::syn_reply, 3, false, {}},  // to nothing of ours
    };
    for (const auto& breach : breaches) {
        auto talk = opened({{Kind::error, "error"}});
        talk.client_sends(breach);
        talk.client_sends(NumberFrame{FrameType::ping, 7, 0});
        CHECK(!talk.streams.next());
        CHECK(talk.streams.over());
        CHECK(!talk.streams.next());
        CHECK(!talk.streams.violation().empty());
        CHECK(is_protocol_error(talk.replies()));
    }
    Conversation early({Kind::error, Kind::stdin_});
    early.client_sends(syn(1, "stdin"));
    for (int i = 0; i < 20; ++i) early.client_sends(DataFrame{1, false, "too early"});
    early.streams.open();
    CHECK(early.streams.over());
    CHECK(is_protocol_error(early.replies()));
}
