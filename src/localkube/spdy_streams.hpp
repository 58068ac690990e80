// The server's side of a command over SPDY/3.1, v4.channel.k8s.io: a stream each for stdin, stdout, stderr, the
// terminal's size and the outcome, all opened by the client. No I/O: bytes go in, inputs and bytes to send come out.
// There is no flow control, since kubectl and Kubernetes have none: TCP holds back who is too fast.
#pragma once
#include "localkube/exec_client.hpp"
#include "localkube/spdy_frames.hpp"

#include <deque>
#include <map>

namespace toygres::localkube {

class SpdyStreams {
  public:
    enum class Kind : std::uint8_t { error, stdin_, stdout_, stderr_, resize };
    // Each of them must come, once; others are refused.
    explicit SpdyStreams(std::vector<Kind> wanted) : wanted_(std::move(wanted)) {}

    void feed(std::string_view bytes) { decoder_.feed(bytes); }
    // Goes through what was fed until all wanted streams are there.
    void open();
    bool complete() const { return ids_.size() == wanted_.size(); }
    // Goes through what was fed, up to the next input; nullopt: nothing is left.
    std::optional<ExecInput> next();
    // To be sent now; empty when nothing is.
    std::string take_replies() { return std::exchange(replies_, {}); }
    // The client said that it leaves, or broke the protocol, which the last reply tells it.
    bool over() const { return over_; }
    // How the client broke the protocol; empty when it did not.
    const std::string& violation() const { return violation_; }

    // Data of stream 1 or 2 as bytes to send; empty when the client has no such stream or has reset it.
    std::string output(int stream, std::string data);
    // The outcome and the end of all streams, as bytes to send.
    std::string finish(std::string status);

  private:
    struct Stream {
        Kind kind;
        bool receives = true;  // from the client
        bool sends = true;
    };

    // false: there is none, or it is the last.
    bool take_frame();
    void take(spdy::HeaderFrame frame);
    void take(spdy::DataFrame frame);
    void take(spdy::NumberFrame frame);
    void take_resize(std::string_view bytes);
    void end_input(Stream& stream);
    std::string last_data(Kind kind, std::string data);
    void reset(std::uint32_t stream, spdy::ResetReason reason);
    void violate(std::string what);

    std::vector<Kind> wanted_;
    std::map<std::uint32_t, Stream> streams_;
    std::map<Kind, std::uint32_t> ids_;
    std::uint32_t last_id_ = 0;
    std::deque<ExecInput> inputs_;
    std::string resize_;  // the part of a message that has come
    spdy::Decoder decoder_;
    spdy::Encoder encoder_;
    std::string replies_;
    bool over_ = false;
    std::string violation_;
};

}  // namespace toygres::localkube
