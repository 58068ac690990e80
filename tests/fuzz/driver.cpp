// The fuzz targets without libFuzzer: each gets its corpus, then so many mutations of it, the same ones every time.
//   fuzz_short [TARGET [MUTATIONS]]
// An input that ends the process is left in fuzz-TARGET.input.
#include "base/file.hpp"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <random>
#include <unistd.h>
#include <vector>

#define FUZZ_TARGET(name, mutations) extern "C" int fuzz_##name(const std::uint8_t* data, std::size_t size);
#include "fuzz_targets.inc"
#undef FUZZ_TARGET

namespace {

struct Target {
    const char* name;
    int (*run)(const std::uint8_t*, std::size_t);
    int mutations;
};
constexpr Target targets[] = {
#define FUZZ_TARGET(name, mutations) {#name, &fuzz_##name, mutations},
#include "fuzz_targets.inc"
#undef FUZZ_TARGET
};

constexpr std::size_t input_bytes_max = 4096;

const char* current_target = "";
std::string current_input;

void keep_input(int signal) {
    char path[128] = "fuzz-";
    std::strncat(path, current_target, 64);
    std::strcat(path, ".input");
    if (const int fd = ::open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644); fd >= 0) {
        if (::write(fd, current_input.data(), current_input.size()) >= 0) ::close(fd);
    }
    ::signal(signal, SIG_DFL);
    ::raise(signal);
}

std::vector<std::string> corpus_of(const std::string& target) {
    std::vector<std::string> out;
    const auto directory = std::filesystem::path(TOYGRES_FUZZ_CORPUS) / target;
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(directory)) files.push_back(entry.path());
    std::ranges::sort(files);
    for (const auto& file : files) out.push_back(toygres::read_file(file.string()).value());
    return out;
}

// Of what parsers stumble over.
constexpr std::string_view pieces[] = {"\n",
                                       "\0",
                                       "\r\n",
                                       "\"",
                                       "\\",
                                       "{",
                                       "}",
                                       "[",
                                       "]",
                                       ":",
                                       ",",
                                       "${",
                                       "&a ",
                                       "*a",
                                       "- ",
                                       "null",
                                       "-1",
                                       "1e999",
                                       "=",
                                       "%",
                                       "%00",
                                       "%zz",
                                       "*",
                                       "*/0",
                                       "0",
                                       "--",
                                       "\xff",
                                       "\x7f",
                                       "\xc3\xa9",
                                       "9223372036854775807",
                                       "99999999999999999999"};

class Mutator {
  public:
    std::string mutate(std::string text, const std::vector<std::string>& corpus) {
        for (auto changes = 1 + below(4); changes > 0; --changes) change(text, corpus);
        if (text.size() > input_bytes_max) text.resize(input_bytes_max);
        return text;
    }

  private:
    // Not by a distribution, whose numbers are another library's another day.
    std::size_t below(std::size_t end) { return end == 0 ? 0 : static_cast<std::size_t>(random_()) % end; }

    void change(std::string& text, const std::vector<std::string>& corpus) {
        const auto at = below(text.size() + 1);
        const auto length = below(text.size() - at + 1);
        switch (below(7)) {
            case 0:
                if (at < text.size()) text[at] = static_cast<char>(text[at] ^ (1 << below(8)));
                break;
            case 1:
                if (at < text.size()) text[at] = static_cast<char>(below(256));
                break;
            case 2:
                text.erase(at, std::min<std::size_t>(length, 8));
                break;
            case 3:
                text.insert(at, pieces[below(std::size(pieces))]);
                break;
            case 4:
                text.insert(at, text.substr(below(text.size() + 1), 16));
                break;
            case 5:
                text.resize(at);
                break;
            default: {
                const auto& other = corpus[below(corpus.size())];
                text = text.substr(0, at) + other.substr(below(other.size() + 1));
            }
        }
    }

    std::mt19937_64 random_{1};
};

void run(const Target& target, const std::string& input) {
    current_input = input;
    target.run(reinterpret_cast<const std::uint8_t*>(current_input.data()), current_input.size());
}

void run(const Target& target, int mutations) {
    current_target = target.name;
    const auto began = std::chrono::steady_clock::now();
    const auto corpus = corpus_of(target.name);
    for (const auto& input : corpus) run(target, input);
    Mutator mutator;
    for (int i = 0; i < mutations; ++i)
        run(target, mutator.mutate(corpus[static_cast<std::size_t>(i) % corpus.size()], corpus));
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    std::printf("%-16s %zu of the corpus, %d mutations, %.1f s\n", target.name, corpus.size(), mutations, took.count());
    std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
    for (const int signal : {SIGABRT, SIGSEGV, SIGFPE, SIGBUS}) std::signal(signal, &keep_input);
    const std::string wanted = argc > 1 ? argv[1] : "";
    int ran = 0;
    for (const auto& target : targets)
        if (wanted.empty() || wanted == target.name) {
            run(target, argc > 2 ? std::atoi(argv[2]) : target.mutations);
            ++ran;
        }
    if (ran == 0) std::fprintf(stderr, "there is no fuzz target %s\n", wanted.c_str());
    return ran == 0 ? 2 : 0;
}
