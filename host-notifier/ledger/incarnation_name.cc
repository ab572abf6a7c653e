#include "host-notifier/ledger/incarnation_name.h"

#include <cstdint>
#include <span>

#include "base/mix.h"

namespace seaward::ledger {
namespace {

class Mixer {
 public:
  explicit Mixer(std::uint64_t seed) : state_(seed) {}
  void Add(std::uint64_t value) { state_ = Mix(state_ + 0x9e3779b97f4a7c15) ^ Mix(value); }
  void Add(const Uuid& uuid) {
    for (std::size_t half = 0; half < uuid.bytes.size(); half += 8) {
      std::uint64_t value = 0;
      for (const std::byte byte : std::span(uuid.bytes).subspan(half, 8))
        value = value << 8 | std::to_integer<std::uint64_t>(byte);
      Add(value);
    }
  }
  std::uint64_t Sum() const { return Mix(state_); }

 private:
  std::uint64_t state_;
};

std::uint64_t Half(std::uint64_t seed, const Uuid& vm, const Uuid& host_boot,
                   const ProcessIdentity& vmm) {
  Mixer mixer(seed);
  mixer.Add(vm);
  mixer.Add(host_boot);
  mixer.Add(static_cast<std::uint64_t>(vmm.pid));
  mixer.Add(vmm.start_ticks);
  return mixer.Sum();
}

}  // namespace

Uuid NameIncarnation(const Uuid& vm, const Uuid& host_boot, const ProcessIdentity& vmm) {
  const std::uint64_t halves[] = {Half(1, vm, host_boot, vmm), Half(2, vm, host_boot, vmm)};
  Uuid name;
  for (std::size_t i = 0; i < name.bytes.size(); ++i)
    name.bytes[i] = static_cast<std::byte>(halves[i / 8] >> (56 - 8 * (i % 8)) & 0xff);
  name.bytes[6] = (name.bytes[6] & std::byte{0x0f}) | std::byte{0x80};
  name.bytes[8] = (name.bytes[8] & std::byte{0x3f}) | std::byte{0x80};
  return name;
}

}  // namespace seaward::ledger
