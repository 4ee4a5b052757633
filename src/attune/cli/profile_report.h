// The profile of a command, as the tree that `attune --profile COMMAND` prints and as the file that --profile=FILE
// writes.
#pragma once

#include <string>

#include "attune/base/profile.h"

namespace attune::cli {

// Lines, not the last one ended: scope, calls, seconds, share of the whole, and where they were counted GFLOP/s and
// GB/s. The children by their time; those below 0.5 % of the whole are one line, and so is what a scope took outside of
// its children, "(self)", from 1 % on. Then the wall time and that of the processors.
std::string profile_text(const ProfileTree& tree);

// {"seconds", "processor_seconds", "scopes": NODE}, NODE = {"name", "calls", "seconds", "flops", "bytes", "children"};
// a node's seconds, flops and bytes include its children's.
std::string profile_json(const ProfileTree& tree);

}  // namespace attune::cli
