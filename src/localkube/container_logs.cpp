#include "localkube/container_logs.hpp"

#include "base/file.hpp"
#include "localkube/process.hpp"

#include <deque>
#include <fcntl.h>
#include <filesystem>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

namespace toygres::localkube {
namespace {

using namespace std::chrono_literals;

// "<time> stdout F text\n" taken apart; the text keeps its line end unless the line goes on.
std::string shown(std::string_view line, const LogQuery& query, const std::string& since) {
    const auto time_end = line.find(' ');
    if (time_end == std::string_view::npos) return {};
    const auto stream_end = line.find(' ', time_end + 1);
    if (stream_end == std::string_view::npos || line.size() < stream_end + 3) return {};
    const auto time = line.substr(0, time_end);
    if (!since.empty() && time < since) return {};
    std::string out;
    if (query.timestamps) out = std::string(time) + " ";
    out += line.substr(stream_end + 3);
    if (line[stream_end + 1] == 'F') out += '\n';
    return out;
}

// The log's file as it grows, past a rotation.
class Tail {
  public:
    explicit Tail(std::string path) : path_(std::move(path)) {}

    // Complete lines that came since the last call.
    std::vector<std::string> lines() {
        std::vector<std::string> out;
        for (bool again = true; again;) {
            if (!file_) open();
            if (!file_) return out;
            char buffer[65536];
            for (ssize_t n = 0; (n = ::read(file_.get(), buffer, sizeof buffer)) > 0;)
                rest_.append(buffer, static_cast<std::size_t>(n));
            again = was_rotated();
            if (again) file_.reset();
            std::size_t start = 0;
            for (auto end = rest_.find('\n'); end != std::string::npos; end = rest_.find('\n', start)) {
                out.push_back(rest_.substr(start, end - start));
                start = end + 1;
            }
            rest_.erase(0, start);
        }
        return out;
    }

  private:
    void open() { file_.reset(::open(path_.c_str(), O_RDONLY | O_CLOEXEC)); }
    bool was_rotated() const {
        struct stat here{}, there{};
        return ::fstat(file_.get(), &here) == 0 && ::stat(path_.c_str(), &there) == 0 && here.st_ino != there.st_ino;
    }

    std::string path_;
    Descriptor file_;
    std::string rest_;
};

}  // namespace

asio::awaitable<void> read_container_log(asio::io_context& io, std::string path, LogQuery query,
                                         std::function<bool()> is_over,
                                         std::function<asio::awaitable<bool>(std::string_view)> on_data) {
    const auto since =
        query.since_seconds ? format_rfc3339(now() - std::chrono::seconds(*query.since_seconds)) : std::string();
    asio::posix::stream_descriptor changes(io, ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    if (query.follow)
        ::inotify_add_watch(changes.native_handle(), std::filesystem::path(path).parent_path().c_str(),
                            IN_MODIFY | IN_CREATE | IN_MOVED_FROM);
    std::deque<std::string> first;
    const auto collect = [&](std::vector<std::string> lines) {
        for (auto& line : lines)
            if (auto text = shown(line, query, since); !text.empty()) {
                first.push_back(std::move(text));
                if (query.tail_lines && first.size() > static_cast<std::size_t>(*query.tail_lines)) first.pop_front();
            }
    };
    if (std::filesystem::exists(path + ".1")) collect(Tail(path + ".1").lines());
    Tail tail(path);
    collect(tail.lines());
    std::size_t left = query.limit_bytes.value_or(SIZE_MAX);
    std::string piece;
    for (const auto& line : first) piece += line;
    asio::steady_timer timer(io);
    while (true) {
        if (piece.size() > left) piece.resize(left);
        left -= piece.size();
        if (!piece.empty() && !co_await on_data(piece)) co_return;
        if (!query.follow || left == 0) co_return;
        // Asked before the reading: what was written before the end is then read for sure.
        const bool over = is_over();
        piece.clear();
        for (const auto& line : tail.lines()) piece += shown(line, query, since);
        if (!piece.empty()) continue;
        if (over) co_return;
        // The end of a container writes nothing: that is looked for now and then.
        timer.expires_after(500ms);
        timer.async_wait([&changes](boost::system::error_code error) {
            if (!error) changes.cancel();
        });
        co_await changes.async_wait(asio::posix::stream_descriptor::wait_read, use);
        timer.cancel();
        char ignored[4096];
        while (::read(changes.native_handle(), ignored, sizeof ignored) > 0) {
        }
        // A client that went is noticed by an empty piece.
        if (!co_await on_data({})) co_return;
    }
}

}  // namespace toygres::localkube
