#include "tests/chaos/ring_scribbler.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <filesystem>
#include <string>

#include "base/file_io.h"
#include "host-notifier/vmm/ring_format.h"
#include "host-notifier/vmm/ring_mapping.h"

namespace seaward::chaos {
namespace {

// Above what the machine `virt` gives a guest of this size; within what an address may be.
constexpr std::uint64_t kNobodysMemory = std::uint64_t{1} << 45;
constexpr std::uint32_t kLanes = 8;

Result<vmm::RingMapping> MapRingOf(pid_t vmm) {
  std::error_code failed;
  const std::string folder = "/proc/" + std::to_string(vmm) + "/fd";
  for (const auto& entry : std::filesystem::directory_iterator(folder, failed)) {
    const auto target = std::filesystem::read_symlink(entry.path(), failed);
    if (failed || !target.string().starts_with("/memfd:")) continue;
    auto memory = OpenFile(entry.path().string(), O_RDWR);
    if (!memory) return Forward(memory);
    struct stat file {};
    if (::fstat(memory->get(), &file) != 0) return FailErrno(errno, "memfd");
    return vmm::RingMapping::Map(std::move(*memory), static_cast<std::size_t>(file.st_size));
  }
  return Fail(ErrorCode::kNotFound, "no ring in " + folder);
}

void Invent(vmm::RingRecord& record, std::uint64_t index, Dice& dice) {
  record.when_ns = dice.Word();
  record.flags = dice.Word();
  record.esr = dice.Word();
  record.gva = dice.Word();
  record.gpa = kNobodysMemory + dice.Below(std::uint64_t{1} << 40);
  record.hva = dice.Word();
  record.count = static_cast<std::uint32_t>(dice.Word());
  record.attributes = static_cast<std::uint32_t>(dice.Word());
  std::atomic_ref(record.sequence).store(index + 1, std::memory_order_release);
}

void ScribbleOverLane(const vmm::RingView& ring, std::uint32_t number, Dice& dice) {
  vmm::LaneHeader& lane = ring.lane(number);
  const std::uint64_t first = dice.Below(2) == 0 ? lane.released : dice.Word();
  const std::uint64_t records = dice.Between(1, 2 * ring.geometry().records_per_lane);
  for (std::uint64_t i = 0; i < records; ++i)
    Invent(ring.record(number, first + i), first + i, dice);
  if (dice.Below(3) == 0) lane.released = dice.Word();
  if (dice.Below(3) == 0) lane.lost = dice.Word();
  if (dice.Below(3) == 0) lane.coalesced = dice.Word();
}

}  // namespace

Status ScribbleOverRing(pid_t vmm, Dice& dice) {
  auto memory = MapRingOf(vmm);
  if (!memory) return Forward(memory);
  auto& header = *reinterpret_cast<vmm::RingHeader*>(memory->data());
  const vmm::RingView ring(memory->data(), {header.lanes, header.records_per_lane});
  header.lanes_in_use[0] |= (1U << kLanes) - 1;
  for (std::uint64_t lanes = dice.Between(1, kLanes); lanes > 0; --lanes)
    ScribbleOverLane(ring, static_cast<std::uint32_t>(dice.Below(kLanes)), dice);
  if (dice.Below(2) == 0) {
    header.magic = dice.Word();
    header.lanes = static_cast<std::uint32_t>(dice.Word());
    header.records_per_lane = static_cast<std::uint32_t>(dice.Word());
    header.offers = header.takes = static_cast<std::uint32_t>(dice.Word());
  }
  header.consumer_sleeps = static_cast<std::uint32_t>(dice.Below(3));
  return {};
}

}  // namespace seaward::chaos
