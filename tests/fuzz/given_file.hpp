// A file for parsers that read files: written anew for each input, in memory where there is such a place.
#pragma once
#include "base/file.hpp"

#include <filesystem>
#include <string>
#include <unistd.h>

namespace toygres::fuzz {

class GivenFile {
  public:
    explicit GivenFile(const std::string& name) : path_(directory() / (name + std::to_string(::getpid()))) {}
    ~GivenFile() {
        std::error_code ignored;
        std::filesystem::remove(path_, ignored);
    }
    GivenFile(const GivenFile&) = delete;
    GivenFile& operator=(const GivenFile&) = delete;

    std::string path() const { return path_.string(); }
    void write(std::string_view text) const { value_or_raise(write_file_atomically(path(), text, 0600)); }

  private:
    static std::filesystem::path directory() {
        const std::filesystem::path memory("/dev/shm");
        return std::filesystem::exists(memory) ? memory : std::filesystem::temp_directory_path();
    }

    std::filesystem::path path_;
};

}  // namespace toygres::fuzz
