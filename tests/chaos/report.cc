#include "tests/chaos/report.h"

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

namespace seaward::chaos {

void Report::Add(std::uint64_t seed, const Tally& tally, bool violated) {
  seeds_.push_back(seed);
  sum_.steps += tally.steps;
  sum_.poisons += tally.poisons;
  sum_.kills += tally.kills;
  sum_.reboots += tally.reboots;
  sum_.unusable += tally.unusable;
  sum_.losses_silent += tally.losses_silent;
  sum_.losses_counted += tally.losses_counted;
  violations_ += violated ? 1 : 0;
}

std::string Report::Json() const {
  const nlohmann::ordered_json json{{"seeds", seeds_},
                                    {"steps", sum_.steps},
                                    {"poisons", sum_.poisons},
                                    {"kills", sum_.kills},
                                    {"reboots", sum_.reboots},
                                    {"unusable", sum_.unusable},
                                    {"violations", violations_},
                                    {"losses_silent", sum_.losses_silent},
                                    {"losses_counted", sum_.losses_counted}};
  return json.dump(2) + "\n";
}

Status Report::Save(const std::string& path) const {
  std::error_code failed;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), failed);
  std::ofstream out(path);
  out << Json();
  out.flush();
  if (!out) return Fail(ErrorCode::kIo, path);
  return {};
}

}  // namespace seaward::chaos
