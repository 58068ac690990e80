#include "agent/volume_note.hpp"

#include "base/file.hpp"

namespace toygres::agent {
namespace {

std::string path_in(const std::string& volume) { return volume + "/.toygres.note"; }

}  // namespace

Result<VolumeNote> read_note(const std::string& volume) {
    const auto text = read_file(path_in(volume));
    if (!text && text.error().kind == ErrorKind::not_found) return VolumeNote{};
    if (!text) return std::unexpected(text.error());
    const auto json = parse_json(*text);
    if (!json) return std::unexpected(json.error());
    try {
        return decode<VolumeNote>(*json);
    } catch (const ErrorException& e) {
        return std::unexpected(e.error());
    }
}

Result<void> write_note(const std::string& volume, const VolumeNote& note) {
    return write_file_atomically(path_in(volume), encode(note).dump() + "\n", 0600);
}

}  // namespace toygres::agent
