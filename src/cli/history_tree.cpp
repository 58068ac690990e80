#include "cli/history_tree.hpp"

#include "cli/output.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <vector>

namespace toygres::cli {
namespace {

struct Line {
    std::string label;
    std::string took;
    std::string outcome;
    std::string child;  // whose history belongs below
};

struct Drawn {
    std::string text;  // with what leads up to it
    std::string took;
    std::string outcome;
};

using HistoryOf = std::function<Json(const std::string&)>;

std::string label_of(const std::string& kind, const Json& event) {
    const auto name = text_at(event, "name");
    const auto target = text_at(event, "target");
    if (kind == "activity_scheduled") return name;
    if (kind == "step_scheduled") return name + " (transaction)";
    if (kind == "timer_created") return "timer";
    if (kind == "wait_started") return fmt::format("signal \"{}\"", name);
    if (kind == "child_scheduled") return fmt::format("{} {}", name, target);
    if (kind == "detach_scheduled") return fmt::format("{} {} (on its own)", name, target);
    return {};
}

std::string failure(const Json& event) {
    const auto& error = event.at("data");
    if (!error.is_object()) return "failed";
    return fmt::format("failed: {} ({})", text_at(error, "message"), text_at(error, "code"));
}

std::string attempts_before(const Json& event) {
    const auto options = event.find("options");
    if (options == event.end() || !options->is_object() || !options->contains("attempts")) return {};
    const auto failed = options->at("attempts").size();
    return failed == 0 ? "" : fmt::format(", after {} failed attempt{}", failed, failed == 1 ? "" : "s");
}

std::string outcome_of(const Json& answer) {
    const auto kind = text_at(answer, "kind");
    if (kind == "timer_fired") return "fired";
    if (kind == "signal_received") return "received";
    if (kind == "detach_accepted") return "started";
    if (kind.ends_with("_failed")) return failure(answer) + attempts_before(answer);
    return "done" + attempts_before(answer);
}

std::optional<Timestamp> time_at(const Json& event) { return parse_rfc3339(text_at(event, "at")); }

// Reads one execution's events in order; what is still open at the end stays so.
class Reader {
  public:
    explicit Reader(const TreeOptions& options) : options_(options) {}

    std::vector<Line> read(const Json& events) {
        for (const auto& event : events) take(event);
        for (const auto& [position, open] : open_) {
            auto& line = lines_[open.line];
            line.took = format_duration(std::max(options_.now - open.since, std::chrono::milliseconds(0)));
            line.outcome = "…";
        }
        return std::move(lines_);
    }

  private:
    struct Open {
        std::size_t line;
        Timestamp since;
        std::string signal;  // that is waited for
    };

    void take(const Json& event) {
        const auto kind = text_at(event, "kind");
        // A timer's is when it is due.
        if (const auto at = time_at(event); at && kind != "timer_created") now_ = *at;
        if (auto label = label_of(kind, event); !label.empty()) {
            const bool has_child = kind == "child_scheduled";
            const auto signal = kind == "wait_started" ? text_at(event, "name") : std::string();
            open_.emplace(event.at("event").get<std::int64_t>(), Open{lines_.size(), now_, signal});
            lines_.push_back({std::move(label), "", "", has_child ? text_at(event, "target") : ""});
            if (!signal.empty() && buffered_[signal] > 0) {
                --buffered_[signal];
                end(event.at("event").get<std::int64_t>(), "received");
            }
            return;
        }
        if (kind == "signal_received") return take_signal(event);
        if (kind == "update_received")
            lines_.push_back({fmt::format("update \"{}\"", text_at(event, "name")), "", "received", ""});
        else if (kind == "cancel_requested")
            lines_.push_back({"asked to stop", "", text_at(event, "data"), ""});
        else if (kind == "completed" || kind == "continued_as_new")
            lines_.push_back({kind == "completed" ? "completed" : "continued as new", "", "", ""});
        else if (kind == "failed")
            lines_.push_back({failure(event), "", "", ""});
        else if (event.contains("of") && event.at("of").is_number() && kind != "child_cancelled")
            end(event.at("of").get<std::int64_t>(), kind == "cancelled" ? "not waited for" : outcome_of(event));
    }

    // The first that waits for it gets it; otherwise the next that will.
    void take_signal(const Json& event) {
        const auto name = text_at(event, "name");
        const auto waiting =
            std::ranges::find_if(open_, [&](const auto& entry) { return entry.second.signal == name; });
        if (waiting == open_.end())
            ++buffered_[name];
        else
            end(waiting->first, "received");
    }

    void end(std::int64_t position, std::string outcome) {
        const auto it = open_.find(position);
        if (it == open_.end()) return;
        auto& line = lines_[it->second.line];
        line.took = format_duration(std::max(now_ - it->second.since, std::chrono::milliseconds(0)));
        line.outcome = std::move(outcome);
        open_.erase(it);
    }

    const TreeOptions& options_;
    Timestamp now_{};
    std::vector<Line> lines_;
    std::map<std::int64_t, Open> open_;
    std::map<std::string, int> buffered_;
};

void draw(const Json& history, const HistoryOf& history_of, const TreeOptions& options, const std::string& lead,
          int depth, std::vector<Drawn>& out) {
    const auto lines = Reader(options).read(history.at("events"));
    const auto most = options.lines_max;
    const auto left_out = most > 0 && lines.size() > most ? lines.size() - most : 0;
    for (std::size_t i = 0; i < lines.size(); ++i) {
        if (left_out > 0 && i == most / 2) {
            out.push_back({fmt::format("{}│  … {} more", lead, left_out), "", ""});
            i += left_out;
        }
        const bool last = i + 1 == lines.size();
        out.push_back({lead + (last ? "└─ " : "├─ ") + lines[i].label, lines[i].took, lines[i].outcome});
        if (lines[i].child.empty() || depth == 0) continue;
        if (const auto below = history_of(lines[i].child); !below.is_null())
            draw(below, history_of, options, lead + (last ? "   " : "│  "), depth - 1, out);
    }
}

// Code points: none of what is drawn is wider than one column.
std::size_t width(const std::string& text) {
    return static_cast<std::size_t>(
        std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

}  // namespace

std::string draw_history(const Json& history, const HistoryOf& history_of, const TreeOptions& options) {
    std::vector<Drawn> drawn;
    draw(history, history_of, options, "", options.depth_max, drawn);
    std::size_t widest = 0;
    for (const auto& line : drawn) widest = std::max(widest, line.took.empty() ? 0 : width(line.text));
    std::string out;
    for (const auto& line : drawn) {
        auto text = line.text;
        if (!line.took.empty()) text += std::string(widest - width(text), ' ') + fmt::format("  {:>8}", line.took);
        if (!line.outcome.empty()) text += "  " + line.outcome;
        out += text + "\n";
    }
    return out;
}

}  // namespace toygres::cli
