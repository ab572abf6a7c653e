// `policy:` of notifier.yaml, and the policy that a domain carries in its own metadata.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/yaml/map_reader.h"
#include "host-notifier/policy/rule.h"

namespace seaward::config {

// A mistake in a pattern is refused at its place.
std::vector<policy::Glob> ReadGlobs(
    yaml::MapReader& map, const yaml::Located<std::vector<yaml::Located<std::string>>>& patterns);

// `frames_are_retired`: the host takes bad frames away, so that new memory is good memory.
policy::PolicyConfig ReadPolicy(yaml::MapReader map, bool frames_are_retired);

// The text of one domain's policy, against the file's: it may name the file's rules and sinks, and
// bring rules of its own, but no program and no address. `file` is the name in diagnostics.
yaml::Loaded<policy::VmPolicy> ParseVmPolicy(const std::string& file, std::string_view text,
                                             const policy::PolicyConfig& config,
                                             std::string_view vm_name, bool frames_are_retired);

}  // namespace seaward::config
