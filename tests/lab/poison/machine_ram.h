// The emulated host's RAM as the outer machine sees it: the shared file behind QEMU's memory
// backend. Reads and writes are seen by the running machine at once.
//
// Good for data only: code that QEMU has translated must be changed through the gdb stub.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "tests/lab/poison/kernel_place.h"

namespace seaward::lab {

class MachineRam {
 public:
  // `base`: where the machine has its RAM (a property of the emulated board).
  static Result<MachineRam> Open(const std::string& path, HostPhysAddr base);
  MachineRam(MachineRam&& other) noexcept;
  MachineRam(const MachineRam&) = delete;
  MachineRam& operator=(const MachineRam&) = delete;
  ~MachineRam();

  // An aligned 64-bit word; kInvalid outside RAM.
  Result<std::uint64_t> Load(HostPhysAddr at) const;
  Status Store(HostPhysAddr at, std::uint64_t value);
  // True when the word was `expected` and is now `desired`.
  Result<bool> Exchange(HostPhysAddr at, std::uint64_t expected, std::uint64_t desired);

  // The first byte after RAM.
  HostPhysAddr end() const { return {base_.value + size_}; }

  // Every word in use at index `slot` of a 512-entry table for which `wanted` holds: where a
  // stage-2 leaf can be. Holes of the file are not looked at.
  template <class Wanted>
  std::vector<HostPhysAddr> FindInTables(std::size_t slot, Wanted wanted) const {
    std::vector<HostPhysAddr> found;
    for (std::size_t page : PagesInUse()) {
      const std::size_t at = page + slot * 8;
      if (wanted(__atomic_load_n(Word(at), __ATOMIC_RELAXED))) found.push_back({base_.value + at});
    }
    return found;
  }
  // The same at every index. Reads all RAM in use: some tenths of a second.
  template <class Wanted>
  std::vector<HostPhysAddr> FindAnywhere(Wanted wanted) const {
    std::vector<HostPhysAddr> found;
    for (std::size_t page : PagesInUse())
      for (std::size_t at = page; at < page + 4096; at += 8)
        if (wanted(__atomic_load_n(Word(at), __ATOMIC_RELAXED)))
          found.push_back({base_.value + at});
    return found;
  }

 private:
  MachineRam(UniqueFd fd, std::byte* memory, std::size_t size, HostPhysAddr base)
      : fd_(std::move(fd)), memory_(memory), size_(size), base_(base) {}
  std::vector<std::size_t> PagesInUse() const;
  std::uint64_t* Word(std::size_t offset) const {
    return reinterpret_cast<std::uint64_t*>(memory_ + offset);
  }
  Result<std::uint64_t*> At(HostPhysAddr at) const;

  UniqueFd fd_;
  std::byte* memory_ = nullptr;
  std::size_t size_ = 0;
  HostPhysAddr base_;
};

}  // namespace seaward::lab
