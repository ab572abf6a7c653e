// QEMU's gdb stub, used for one thing: to stop the emulated machine for a moment, and read and
// write its physical memory so that already translated code notices.
//
// The machine stands still from Connect until Detach: be short.
#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "tests/lab/poison/gdb_packet.h"
#include "tests/lab/poison/kernel_place.h"

namespace seaward::lab {

class GdbClient {
 public:
  // `path`: the unix socket of `-gdb unix:...`. kTimeout when the stub does not answer: every
  // exchange may take `patience`.
  static Result<GdbClient> Connect(const std::string& path, std::chrono::milliseconds patience);

  Result<std::vector<std::byte>> Read(HostPhysAddr at, std::size_t bytes);
  Status Write(HostPhysAddr at, std::span<const std::byte> bytes);
  // Where each virtual CPU stands.
  Result<std::vector<KernelVirtAddr>> ProgramCounters();
  // Lets the machine run on. Nothing else works afterwards.
  Status Detach();

 private:
  GdbClient(UniqueFd socket, std::chrono::milliseconds patience)
      : socket_(std::move(socket)), patience_(patience) {}
  Result<std::string> Exchange(std::string_view payload);
  Status ExpectOk(std::string_view payload);
  Status Send(std::string_view bytes);
  Result<std::string> Receive();

  UniqueFd socket_;
  std::chrono::milliseconds patience_;
  GdbPacketReader reader_;
};

}  // namespace seaward::lab
