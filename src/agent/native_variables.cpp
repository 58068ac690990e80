#include "agent/native_variables.hpp"

#include "base/file.hpp"

#include <fmt/format.h>

#include <charconv>

namespace toygres::agent {
namespace {

constexpr std::string_view lower_and_digits = "abcdefghijklmnopqrstuvwxyz0123456789";
// Slots and application names may have 63 bytes.
constexpr std::size_t node_name_max_bytes = 60;
constexpr std::size_t user_name_max_bytes = 63;

bool consists_of(std::string_view text, std::string_view letters) {
    return text.find_first_not_of(letters) == std::string_view::npos;
}

bool is_user_name(std::string_view text) {
    static const std::string letters = std::string(lower_and_digits) + "_-";
    // `all` is a word of pg_hba.conf, and pg_ is PostgreSQL's own.
    return !text.empty() && text.size() <= user_name_max_bytes && consists_of(text, letters) && text != "all" &&
           !text.starts_with("pg_");
}

}  // namespace

std::string Variables::get(const std::string& name) const {
    const auto it = environment_.find(name);
    return it == environment_.end() ? std::string() : it->second;
}

unsigned short Variables::port(const std::string& name, unsigned short otherwise) {
    const auto text = get(name);
    if (text.empty()) return otherwise;
    unsigned short value = 0;
    const auto* const end = text.data() + text.size();
    const auto [at, error] = std::from_chars(text.data(), end, value);
    if (error == std::errc() && at == end && value > 0) return value;
    refuse(name, fmt::format("is \"{}\"", text), "set it to a port, from 1 to 65535");
    return otherwise;
}

std::string Variables::directory(const std::string& name, const std::string& otherwise) {
    auto path = get(name);
    if (path.empty()) return otherwise;
    while (path.size() > 1 && path.ends_with('/')) path.pop_back();
    if (path.starts_with('/') && path.size() > 1 && path.find('\n') == std::string::npos) return path;
    refuse(name, fmt::format("is \"{}\"", path), "set it to an absolute path");
    return {};
}

std::string Variables::user(const std::string& name, const std::string& otherwise) {
    auto text = get(name);
    if (text.empty()) return otherwise;
    if (!is_user_name(text))
        refuse(name, fmt::format("is \"{}\"", text),
               "set it to 1 to 63 lower-case letters, digits, _ and -, not all and not pg_ first");
    return text;
}

Secret Variables::password(const std::string& name, bool required) {
    const auto path = get(name + "_FILE");
    auto value = get(name);
    if (!path.empty() && !value.empty())
        return refuse(name, fmt::format("is set, and {}_FILE too", name), "remove one of them, best the value"),
               Secret();
    if (path.empty() && value.empty()) {
        if (required)
            refuse(name + "_FILE", fmt::format("is not set, nor is {}", name), "set it to a file with the password");
        return {};
    }
    const auto variable = path.empty() ? name : name + "_FILE";
    if (!path.empty()) {
        auto text = read_file(path);
        if (!text)
            return refuse(variable, fmt::format("is {}, which cannot be read", path), "put the password there"),
                   Secret();
        value = *std::move(text);
        if (value.ends_with('\n')) value.pop_back();
        if (value.ends_with('\r')) value.pop_back();
    }
    if (value.empty() || value.find_first_of("\r\n") != std::string::npos || value.find('\0') != std::string::npos)
        refuse(variable, value.empty() ? "leads to an empty password" : "leads to more than one line",
               "give one line, which is the password");
    return Secret(std::move(value));
}

void Variables::refuse(std::string variable, std::string what, std::string remedy) {
    problems_.push_back({std::move(variable), std::move(what), std::move(remedy)});
}

std::vector<std::string> split_list(std::string_view text) {
    std::vector<std::string> out;
    for (std::size_t begin = 0; begin <= text.size();) {
        const auto end = std::min(text.find(',', begin), text.size());
        auto item = text.substr(begin, end - begin);
        begin = end + 1;
        item.remove_prefix(std::min(item.find_first_not_of(' '), item.size()));
        item = item.substr(0, item.find_last_not_of(' ') + 1);
        out.emplace_back(item);
    }
    return out;
}

bool is_node_name(std::string_view text) {
    static const std::string letters = std::string(lower_and_digits) + "-_";
    return !text.empty() && text.size() <= node_name_max_bytes && consists_of(text, letters) &&
           lower_and_digits.contains(text.front());
}

bool is_host(std::string_view text) {
    static const std::string letters = std::string(lower_and_digits) + "ABCDEFGHIJKLMNOPQRSTUVWXYZ.-_:";
    return !text.empty() && consists_of(text, letters);
}

bool is_mount_point(const std::string& path) {
    // "36 35 98:0 / /mnt rw …": the fifth word.
    const auto list = read_file("/proc/self/mountinfo").value_or("");
    for (std::size_t begin = 0; begin < list.size();) {
        const auto end = std::min(list.find('\n', begin), list.size());
        auto line = std::string_view(list).substr(begin, end - begin);
        begin = end + 1;
        for (int word = 1; word < 5; ++word) line.remove_prefix(std::min(line.find(' ') + 1, line.size()));
        if (line.substr(0, line.find(' ')) == path) return true;
    }
    return false;
}

}  // namespace toygres::agent
