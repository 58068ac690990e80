// A former primary's data made to lead on from the new primary's.
#pragma once
#include "agent/data_directory.hpp"
#include "agent/options.hpp"
#include "agent/source.hpp"

#include <functional>
#include <string>

namespace toygres::agent {

struct Rewind {
    std::string source;  // the member to compare with
    Source known;        // what it said of itself
    int lock_fd;         // the volume is in use until the last of the programs is gone
    // Only to a source that was promoted after this data was: nobody but the operator knows who is the primary, and a
    // mistake would undo what the newer one has written.
    bool to_newer_only;
    // Called before the data is changed for good: must note durably that it is half of two until the end. Its error is
    // the rewind's.
    std::function<Result<void>()> on_point_of_no_return;
};

// Ends crash recovery if there is need, has pg_rewind look, and then act unless nothing has to be undone. The data is a
// replica's afterwards. The configuration of a replica must be written. Errors: conflict/"cannot_rewind": the data
// stands as it was, only a clone helps; internal/"rewind_broken": it is of no use any more;
// conflict/"another_system": it never was this primary's; transient/"…": to be tried again.
asio::awaitable<Result<void>> rewind_data(const Options& options, const Binaries& binaries, const DataDirectory& data,
                                          const Psql& psql, Rewind rewind);

}  // namespace toygres::agent
