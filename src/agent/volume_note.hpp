// What a volume remembers across every restart, in one file beside the data directory: read whole, replaced whole,
// durable before anything that it speaks of happens.
#pragma once
#include "ha/topology.hpp"

#include <cstdint>
#include <string>

namespace toygres::agent {

// What was begun and, when nothing else is known, has to be taken for half done.
enum class Unfinished {
    nothing,
    rewind,     // the data is a mixture of two servers': never to be started, only to be replaced
    promotion,  // the data may have left recovery already, or not yet begun a timeline of its own
};
BOOST_DESCRIBE_ENUM(Unfinished, nothing, rewind, promotion)

// Of a member without a control plane, as of the last start of a server.
struct NativeNote {
    ha::Role role;  // that its environment gave it
    bool recloned;  // RECLONE has been obeyed and was not taken back since
    bool operator==(const NativeNote&) const = default;
};
BOOST_DESCRIBE_STRUCT(NativeNote, (), (role, recloned))

struct VolumeNote {
    ha::Reign reign;     // the newest topology that was obeyed here
    bool held_data;      // a server has run here: an empty volume is a loss
    std::int64_t clone;  // the last MemberSettings::clone that was obeyed
    Unfinished unfinished;
    std::optional<NativeNote> native{};
    bool operator==(const VolumeNote&) const = default;
};
BOOST_DESCRIBE_STRUCT(VolumeNote, (), (reign, held_data, clone, unfinished, native))

// A volume without a note is a new one. Errors: internal/"file_unreadable", invalid/"invalid_json",
// invalid/"invalid_field".
Result<VolumeNote> read_note(const std::string& volume);
// Durable when it returns. Error: internal/"file_unwritable".
Result<void> write_note(const std::string& volume, const VolumeNote& note);

}  // namespace toygres::agent
