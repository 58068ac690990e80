#include "cli/watch.hpp"

#include <ostream>
#include <sstream>

namespace toygres::cli {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto interval = 2s;
constexpr auto patience_with_server = 60s;
constexpr auto clear_screen = "\033[H\033[2J\033[3J";

// What is printed to a stream while this lives.
class Capture {
  public:
    explicit Capture(std::ostream& stream) : stream_(stream), before_(stream.rdbuf(text_.rdbuf())) {}
    ~Capture() { stream_.rdbuf(before_); }
    Capture(const Capture&) = delete;
    Capture& operator=(const Capture&) = delete;
    std::string text() const { return text_.str(); }

  private:
    std::ostringstream text_;
    std::ostream& stream_;
    std::streambuf* before_;
};

std::string shown_by(Console& console, const std::function<int()>& show) {
    const Capture capture(console.out);
    show();
    return capture.text();
}

}  // namespace

int watch(Session& session, const std::function<int()>& show) {
    auto& console = session.console;
    std::optional<std::string> before;
    auto last_answer = Clock::now();
    bool told = false;
    while (console.out) {
        try {
            const auto text = shown_by(console, show);
            last_answer = Clock::now();
            told = false;
            if (console.out_is_terminal)
                console.out << clear_screen << text << std::flush;
            else if (text != before)
                console.out << text << std::flush;
            before = text;
        } catch (const ErrorException& e) {
            if (!before || !is_passing(e.error()) || Clock::now() - last_answer > patience_with_server) throw;
            if (!std::exchange(told, true)) console.err << "the server does not answer; trying on" << std::endl;
        }
        session.api.pause(interval);
    }
    return exit_ok;
}

}  // namespace toygres::cli
