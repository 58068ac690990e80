#include "agent/install.hpp"

#include "base/file.hpp"

namespace toygres::agent {

Result<void> install(const std::string& directory) {
    const auto program = read_file("/proc/self/exe");
    if (!program) return std::unexpected(program.error());
    return write_file_atomically(directory + "/toygres-agent", *program, 0755);
}

}  // namespace toygres::agent
