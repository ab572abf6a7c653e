// The change to the emulated host's kernel text: a branch in each of the functions that the world
// switch calls for a guest's aborts, and in the padding after the text the code that it leads to,
// with the list of bad pages behind it.
#pragma once

#include <array>
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
  HostPhysAddr site(std::size_t i) const { return sites_[i].at; }
  HostPhysAddr code() const { return code_; }
  HostPhysAddr list() const { return list_; }

 private:
  struct Site {
    HostPhysAddr at;
    std::uint32_t displaced = 0;
  };
  explicit KernelPatch(std::string gdb_socket) : gdb_socket_(std::move(gdb_socket)) {}
  Status Write(GdbClient& gdb, const KernelPlace& place, const VcpuLayout& layout);
  Result<bool> WipeIfUnused(GdbClient& gdb, bool may_wipe);

  std::string gdb_socket_;
  std::array<Site, 2> sites_;
  HostPhysAddr code_, list_;
  KernelVirtAddr code_virtual_;
  std::size_t bytes_ = 0;  // of code and list; 0: not patched
};

}  // namespace seaward::lab
