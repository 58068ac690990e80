// `toygres rotate-key`: a new sealing key beside the one that seals now, and in its place once every server can open
// what it seals.
#pragma once
#include <chrono>
#include <string>

namespace toygres::app {

// How often servers look for changed keys: in their file, and in the Secret of their installation.
inline constexpr std::chrono::seconds key_file_interval{5};
inline constexpr std::chrono::seconds key_secret_interval{60};

struct RotateKeyConfig {
    std::string seal_key_file;        // empty: that of the Secret
    std::string installation_secret;  // of the namespace that the process is at home in
    std::chrono::milliseconds wait;   // for the servers to read the first change; 0: three times their interval
};

// The process's exit code. Interrupted at any point it leaves keys that all servers work with.
int run_rotate_key(const RotateKeyConfig& config);

}  // namespace toygres::app
