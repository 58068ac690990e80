#include "slow_resolver.hpp"

#include "base/file.hpp"

#include <fmt/format.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sstream>
#include <sys/socket.h>
#include <unistd.h>

namespace toygres::test {

using namespace std::chrono_literals;

namespace {

constexpr auto resolver_address = "127.77.0.53";
constexpr auto place = "/dev/shm";  // of the pod
constexpr std::size_t header_size = 12;

// A name as it stands in a question: labels, each with its length before it.
std::string name_in(const std::string& question, std::size_t& at) {
    std::string out;
    while (at < question.size() && question[at] != 0) {
        const auto length = static_cast<std::size_t>(static_cast<unsigned char>(question[at]));
        out += (out.empty() ? "" : ".") + question.substr(at + 1, length);
        at += 1 + length;
    }
    ++at;
    return out;
}

// In the mount namespace of the pod, where a file can be laid over another for it alone.
void in_pod(int pid, const std::string& command) {
    // Its processes' numbers too: tools of mounting look themselves up in its /proc.
    const auto ran = shell(fmt::format("nsenter -t {} -m -p -- sh -c \"{}\"", pid, command));
    INFO(command << ": " << ran.output);
    CHECK(ran.code == 0);
}

}  // namespace

SlowResolver::SlowResolver(const Replicated& db, const std::string& member, std::chrono::milliseconds delay)
    : pid_(db.agent(member)), delay_(delay) {
    std::istringstream list(read_file(fmt::format("/proc/{}/root/etc/hosts", pid_)).value());
    for (std::string line; std::getline(list, line);) {
        std::istringstream words(line);
        std::string address;
        words >> address;
        for (std::string name; words >> name;) addresses_.emplace(name, address);
    }
    socket_ = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_in own{};
    own.sin_family = AF_INET;
    own.sin_port = htons(53);
    ::inet_pton(AF_INET, resolver_address, &own.sin_addr);
    REQUIRE(::bind(socket_, reinterpret_cast<sockaddr*>(&own), sizeof own) == 0);
    thread_ = std::jthread([this](const std::stop_token& stop) { serve(stop); });

    // What the pod sees of the file system is not what this process sees: the files are made in there.
    in_pod(pid_, fmt::format("printf '127.0.0.1\\tlocalhost\\n' > {}/hosts && printf "
                             "'nameserver {}\\n' > {}/resolv.conf",
                             place, resolver_address, place));
    for (const auto* file : {"hosts", "resolv.conf"})
        in_pod(pid_, fmt::format("mount --bind {}/{} /etc/{}", place, file, file));
}

SlowResolver::~SlowResolver() {
    in_pod(pid_, "umount /etc/hosts /etc/resolv.conf");
    thread_.request_stop();
    thread_.join();
    ::close(socket_);
}

void SlowResolver::serve(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
        pollfd waiting{socket_, POLLIN, 0};
        if (::poll(&waiting, 1, 50) <= 0) continue;
        std::string question(512, '\0');
        sockaddr_in from{};
        socklen_t length = sizeof from;
        const auto size =
            ::recvfrom(socket_, question.data(), question.size(), 0, reinterpret_cast<sockaddr*>(&from), &length);
        if (size < static_cast<ssize_t>(header_size)) continue;
        question.resize(static_cast<std::size_t>(size));
        std::this_thread::sleep_for(delay_);
        const auto text = answer(question);
        ::sendto(socket_, text.data(), text.size(), 0, reinterpret_cast<sockaddr*>(&from), length);
        ++answers_;
    }
}

// RFC 1035: the question comes back, with an address when it asks for one (A) of a name that is known.
std::string SlowResolver::answer(const std::string& question) const {
    auto at = header_size;
    const auto known = addresses_.find(name_in(question, at));
    const bool for_ipv4 = at + 1 < question.size() && question[at + 1] == 1;
    auto out = question.substr(0, std::min(at + 4, question.size()));
    out[2] = static_cast<char>(0x84);  // an answer, with authority
    out[3] = static_cast<char>(known == addresses_.end() ? 3 : 0);
    out[7] = known != addresses_.end() && for_ipv4 ? 1 : 0;
    for (const auto count : {6, 8, 9, 10, 11}) out[static_cast<std::size_t>(count)] = 0;
    if (out[7] == 0) return out;
    out += std::string("\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x00\x00\x04", 12);
    in_addr address{};
    ::inet_pton(AF_INET, known->second.c_str(), &address);
    return out.append(reinterpret_cast<const char*>(&address), sizeof address);
}

}  // namespace toygres::test
