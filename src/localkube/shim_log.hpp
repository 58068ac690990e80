// The log of one container: a line is "2026-03-01T12:00:00.123456789Z stdout F text", as container runtimes write it
// ("P" in place of "F": the line goes on in the next one of its stream).
#pragma once
#include "localkube/process.hpp"

#include <string>
#include <string_view>

namespace toygres::localkube {

class ShimLog {
  public:
    // Appends; at 10 MiB the file is renamed to `path`.1 (one old file is kept) and begun afresh.
    explicit ShimLog(std::string path);
    // Pieces of a stream as they come; complete lines are written.
    void append(bool is_stderr, std::string_view piece);
    // Writes what stands without a line's end.
    void finish();
    // The last line of stderr, for messages.
    const std::string& last_error_line() const { return last_error_line_; }

  private:
    void write_line(bool is_stderr, bool full, std::string_view text);
    void open();

    std::string path_;
    Descriptor file_;
    std::size_t size_ = 0;
    std::string unfinished_[2];
    std::string last_error_line_;
};

}  // namespace toygres::localkube
