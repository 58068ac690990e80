// Native mode: a member without a control plane and without Kubernetes. It is the same agent; the topology that it
// obeys is made of its environment.
#pragma once
#include "agent/binaries.hpp"
#include "agent/native_settings.hpp"
#include "agent/options.hpp"
#include "agent/volume_note.hpp"
#include "base/error.hpp"

#include <string>

namespace toygres::agent {

// Every start is a revision of its own, above what the volume has seen: the environment does not tell new from old.
Options native_options(const NativeSettings& settings, const VolumeNote& note);

// What `status`, `probe` and `promote` need to reach the member of this container.
Options native_local_options(const Environment& environment);

// Writes the private files that others get mounted (passwords, a certificate of the member's own), reads the volume's
// note. The volume stays as it is. Errors: conflict/"data_promoted": a replica's data has been promoted, and the
// environment still says replica; invalid/"runs_as_root"; those of read_note; internal/"file_unwritable".
Result<Options> prepare_native(const NativeSettings& settings, const Binaries& binaries);

// The file by which `promote` asks the agent; no name of one is a password or a certificate.
std::string promotion_request(const Options& options);

}  // namespace toygres::agent
