#include "guest-agent/pages/numa_nodes.h"

#include <charconv>
#include <filesystem>
#include <optional>
#include <string_view>

#include "base/file_io.h"

namespace seaward::agent {
namespace {

// The number behind `prefix`, when nothing else follows.
std::optional<std::uint64_t> NumberAfter(std::string_view name, std::string_view prefix) {
  if (!name.starts_with(prefix) || name.size() == prefix.size()) return std::nullopt;
  std::uint64_t number = 0;
  const auto [end, error] =
      std::from_chars(name.data() + prefix.size(), name.data() + name.size(), number);
  if (error != std::errc{} || end != name.data() + name.size()) return std::nullopt;
  return number;
}

// Calls see(number, path) for every entry of `folder` that is called `prefix` and a number.
template <class See>
void ForEachNumbered(const std::string& folder, std::string_view prefix, See see) {
  std::error_code error;
  for (std::filesystem::directory_iterator it(folder, error), end; !error && it != end;
       it.increment(error)) {
    if (const auto number = NumberAfter(it->path().filename().string(), prefix))
      see(*number, it->path().string());
  }
}

}  // namespace

Result<NumaNodes> NumaNodes::Read(const std::string& sys) {
  constexpr std::size_t kLineCap = 64;
  auto text = ReadTextFile(sys + "/devices/system/memory/block_size_bytes", kLineCap);
  if (!text) return Fail(ErrorCode::kUnsupported, "the kernel names no memory blocks");
  NumaNodes nodes;
  // Hexadecimal, without 0x.
  std::from_chars(text->data(), text->data() + text->size(), nodes.block_bytes_, 16);
  if (nodes.block_bytes_ == 0) return Fail(ErrorCode::kUnsupported, "memory blocks of no bytes");
  ForEachNumbered(sys + "/devices/system/node", "node",
                  [&nodes](std::uint64_t node, const std::string& folder) {
                    ForEachNumbered(folder, "memory", [&](std::uint64_t block, const std::string&) {
                      nodes.blocks_[block] = static_cast<int>(node);
                      nodes.bytes_[static_cast<int>(node)] += nodes.block_bytes_;
                    });
                  });
  if (nodes.blocks_.empty()) return Fail(ErrorCode::kUnsupported, "the kernel names no nodes");
  return nodes;
}

int NumaNodes::NodeOf(GuestPhysAddr address) const {
  const auto block = blocks_.find(address.value / block_bytes_);
  return block == blocks_.end() ? 0 : block->second;
}

}  // namespace seaward::agent
