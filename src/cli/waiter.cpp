#include "cli/waiter.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <ostream>

namespace toygres::cli {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto poll_interval = 250ms;
constexpr auto patience_with_server = 60s;

// One line that is drawn over and over on a terminal; a line per stage elsewhere. On stderr, so that what a script
// reads stays clean.
class ProgressLine {
  public:
    ProgressLine(Console& console, std::string what) : console_(console), what_(std::move(what)) {}
    ~ProgressLine() { clear(); }
    ProgressLine(const ProgressLine&) = delete;
    ProgressLine& operator=(const ProgressLine&) = delete;

    void show(const std::string& stage) {
        const auto elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - began_);
        if (console_.err_is_terminal) {
            console_.err << "\r\033[K" << console_.paint(what_, "1") << ": " << stage
                         << console_.paint(" (" + format_duration(elapsed) + ")", "2") << std::flush;
            drawn_ = true;
        } else if (stage != last_) {
            console_.err << what_ << ": " << stage << " (" << format_duration(elapsed) << ")" << std::endl;
        }
        last_ = stage;
    }
    // A line of its own, once.
    void note(const std::string& text) {
        clear();
        console_.err << text << std::endl;
    }

  private:
    void clear() {
        if (drawn_) console_.err << "\r\033[K" << std::flush;
        drawn_ = false;
    }

    Console& console_;
    std::string what_;
    std::string last_;
    bool drawn_ = false;
    Clock::time_point began_ = Clock::now();
};

std::string stage_of(const Json& operation) {
    const auto progress = operation.find("progress");
    if (progress == operation.end() || !progress->is_object()) return "accepted";
    auto stage = text_at(*progress, "stage");
    if (stage.empty()) stage = text_at(*progress, "replication");
    if (stage.empty()) stage = "accepted";
    const auto trouble = trouble_of(operation);
    return trouble.empty() ? stage : fmt::format("{}; {}", stage, trouble);
}

Error failure_of(const Json& operation) {
    const auto error = operation.find("error");
    auto why = error != operation.end() && error->is_object() ? text_at(*error, "message") : "";
    if (why.empty()) why = "no reason was recorded; see: toygres events " + text_at(operation, "instance");
    return {ErrorKind::internal, "operation_failed",
            fmt::format("{} {}: {}", activity_of(operation),
                        operation.at("state") == "cancelled" ? "was cancelled" : "failed", why)};
}

}  // namespace

std::string trouble_of(const Json& operation) {
    const auto progress = operation.find("progress");
    if (progress == operation.end() || !progress->is_object()) return {};
    auto out = text_at(*progress, "reason");
    if (const auto message = text_at(*progress, "message"); !message.empty())
        out += (out.empty() ? "" : ": ") + message;
    std::ranges::replace(out, '\n', ' ');
    return out;
}

std::string activity_of(const Json& operation) {
    const auto kind = text_at(operation, "kind");
    const auto verb = kind == "create_instance" ? "creating" : kind == "delete_instance" ? "deleting" : kind;
    return verb + " " + text_at(operation, "instance");
}

Result<Json> wait_for_operation(Session& session, const Json& accepted, std::chrono::milliseconds timeout) {
    const auto id = text_at(accepted, "id");
    const auto deadline = Clock::now() + timeout;
    auto last_answer = Clock::now();
    bool lost = false;
    ProgressLine line(session.console, activity_of(accepted));
    for (auto operation = Result<Json>(accepted);;) {
        if (operation) {
            if (std::exchange(lost, false)) line.note("the server is back");
            last_answer = Clock::now();
            const auto state = text_at(*operation, "state");
            if (state == "succeeded") return operation;
            if (state != "running") return std::unexpected(failure_of(*operation));
            line.show(stage_of(*operation));
        } else {
            if (!is_passing(operation.error()) || Clock::now() - last_answer > patience_with_server) return operation;
            if (!std::exchange(lost, true))
                line.note("the server does not answer; trying on (the work goes on as soon as one runs)");
            line.show("waiting for the server");
        }
        if (Clock::now() > deadline)
            return std::unexpected(
                Error{ErrorKind::timeout, "wait_timed_out",
                      fmt::format("{} goes on, but not waited for after {}; see: toygres operation {}",
                                  activity_of(accepted), format_duration(timeout), id)});
        session.api.pause(poll_interval);
        operation = session.api.call("GET", "/api/v1/operations/" + http::percent_encode(id));
    }
}

}  // namespace toygres::cli
