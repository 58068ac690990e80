// What the control file says, by way of pg_controldata.
#pragma once
#include "agent/binaries.hpp"
#include "base/asio.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace toygres::agent {

struct ControlFile {
    std::string system_identifier;
    bool read_write;             // it runs, or ran, out of recovery
    bool clean;                  // it ended with a shutdown checkpoint, or a replica's counterpart of one
    std::int64_t timeline;       // the newest that it knows the data to be of
    std::string checkpoint_lsn;  // where its last checkpoint begins
    // Of a replica: where replay has to get before the data is consistent; "0/0" for a primary.
    std::string consistent_lsn;
};

// pg_controldata's output; nullopt when it is none.
std::optional<ControlFile> parse_control_data(const std::string& text);

// nullopt when there is no control file that can be read.
asio::awaitable<std::optional<ControlFile>> read_control_file(Binaries binaries, std::string data_dir);

}  // namespace toygres::agent
