#include "jobs.hpp"

#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstring>
#include <new>
#include <sys/mman.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace toygres::sim {
namespace {

constexpr std::size_t findings_max = 64;

struct Slot {
    std::uint64_t item;
    char words[16'000];
};

// What the processes share.
struct Board {
    std::atomic<std::uint64_t> next{0};
    std::atomic<std::uint64_t> done{0};
    std::atomic<std::uint64_t> findings{0};
    std::atomic<std::uint64_t> at[64]{};  // what each process works on, plus one; 0: nothing
    Slot found[findings_max];
};

void post(Board& board, std::uint64_t item, const std::string& words) {
    const auto index = board.findings.fetch_add(1);
    if (index >= findings_max) return;
    auto& slot = board.found[index];
    slot.item = item;
    std::strncpy(slot.words, words.c_str(), sizeof slot.words - 1);
}

[[noreturn]] void work_off(Board& board, int job, std::uint64_t count, bool stop_at_first,
                           const std::function<std::string(std::uint64_t)>& work) {
    while (!stop_at_first || board.findings == 0) {
        const auto item = board.next.fetch_add(1);
        if (item >= count) break;
        board.at[job] = item + 1;
        if (const auto words = work(item); !words.empty()) post(board, item, words);
        board.at[job] = 0;
        ++board.done;
    }
    std::_Exit(0);
}

}  // namespace

std::vector<Finding> run_jobs(std::uint64_t count, int jobs, bool stop_at_first,
                              const std::function<std::string(std::uint64_t)>& work,
                              const std::function<void(std::uint64_t)>& progress) {
    void* memory = mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return {{0, "no memory to share"}};
    auto& board = *new (memory) Board;
    jobs = std::clamp(jobs, 1, 64);
    std::vector<pid_t> children(static_cast<std::size_t>(jobs), -1);
    int running = 0;
    const auto launch = [&](int job) {
        const auto pid = fork();
        if (pid == 0) work_off(board, job, count, stop_at_first, work);
        children[static_cast<std::size_t>(job)] = pid;
        ++running;
    };
    for (int job = 0; job < jobs; ++job) launch(job);
    while (running > 0) {
        int status = 0;
        const auto pid = waitpid(-1, &status, WNOHANG);
        if (pid == 0) {
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
            progress(board.done);
            continue;
        }
        if (pid < 0) break;
        --running;
        const auto job = static_cast<int>(std::ranges::find(children, pid) - children.begin());
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0) continue;
        post(board, board.at[job] - 1,
             fmt::format("its process ended by signal {}", WIFSIGNALED(status) ? WTERMSIG(status) : 0));
        ++board.done;
        if (!stop_at_first) launch(job);
    }
    progress(board.done);
    std::vector<Finding> out;
    for (std::size_t i = 0; i < std::min<std::size_t>(board.findings, findings_max); ++i)
        out.push_back({board.found[i].item, board.found[i].words});
    munmap(memory, sizeof(Board));
    return out;
}

}  // namespace toygres::sim
