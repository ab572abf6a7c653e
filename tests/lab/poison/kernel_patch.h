// The change to the emulated host's kernel text: a branch in each of the functions that the world
// switch calls for a guest's aborts, and in the padding after the text the code that it leads to,
// with the list of bad pages behind it. And one in the function that allows KVM huge mappings,
// which then says no: a guest's memory is mapped in pages of 4 KiB, each of which can be bad by
// itself, whatever is behind it.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "tests/lab/poison/gdb_client.h"
#include "tests/lab/poison/kernel_place.h"
#include "tests/lab/poison/trampoline.h"

namespace seaward::lab {

class KernelPatch {
 public:
  // Stops the machine for a moment. The error says what is not as needed; nothing is changed then.
  static Result<KernelPatch> Install(std::string gdb_socket, const KernelPlace& place,
                                     const VcpuLayout& layout);
  // First the branches, then, when no CPU can be inside any more, the code they led to. The list
  // must be empty. Idempotent.
  Status Remove();

  bool installed() const { return bytes_ != 0; }
  // Pages of huge backing can be bad by themselves.
  bool splits_huge_pages() const { return sites_.size() > 2; }
  HostPhysAddr site(std::size_t i) const { return sites_[i].at; }
  HostPhysAddr code() const { return code_; }
  HostPhysAddr list() const { return list_; }

 private:
  struct Site {
    HostPhysAddr at;
    std::uint32_t displaced = 0;
  };
  explicit KernelPatch(std::string gdb_socket) : gdb_socket_(std::move(gdb_socket)) {}
  Status FindSites(GdbClient& gdb, const KernelPlace& place);
  Status Write(GdbClient& gdb, const KernelPlace& place, const VcpuLayout& layout);
  Result<bool> WipeIfUnused(GdbClient& gdb, bool may_wipe);

  std::string gdb_socket_;
  std::vector<Site>
      sites_;  // the two abort handlers, the question for huge mappings if there is one
  HostPhysAddr code_, list_;
  KernelVirtAddr code_virtual_;
  std::size_t bytes_ = 0;  // of code and list; 0: not patched
};

}  // namespace seaward::lab
