// A machine that stands still, for tests of seaward-poison: a RAM file with the few things of a
// host kernel that the tool reads, page tables of a VMM and of its guest, and a gdb stub on a
// socket that reads and writes the same RAM. Everything lies at made-up places.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <fstream>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/file_io.h"
#include "base/unique_fd.h"
#include "base/unix_socket.h"
#include "tests/lab/poison/btf_fixture.h"
#include "tests/lab/poison/gdb_packet.h"
#include "tests/lab/poison/machine_ram.h"
#include "tests/support/temp_dir.h"

namespace seaward::lab {

class FakeMachine {
 public:
  static constexpr std::uint64_t kBase = 0x40000000, kBytes = 4 << 20;
  static constexpr std::uint64_t kDabt = kBase + 0x2000, kIabt = kBase + 0x2100,
                                 kHugeQuestion = kBase + 0x2200;
  static constexpr std::uint64_t kHighMemory = kBase + 0x28000;
  static constexpr std::uint64_t kLinearEnd = 0xffff000080000000;
  static constexpr std::uint64_t kRoot = kBase + 0x100000, kMiddle = kBase + 0x101000,
                                 kLast = kBase + 0x102000, kOwner = kBase + 0x110000;
  static constexpr std::uint32_t kPaciasp = 0xd503233f, kSubSp = 0xd100c3ff, kBtiC = 0xd503245f;
  static constexpr std::uint64_t kStageTwo = 0x4000000000007ff;  // with VALID, S2AP, MemAttr, AF
  static constexpr std::uint64_t kUser = 0x68000000000f43;

  FakeMachine() {
    UniqueFd file(::open(ram_path().c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    EXPECT_EQ(::ftruncate(file.get(), kBytes), 0);
    ram_.emplace(MachineRam::Open(ram_path(), {kBase}).value());
    Put(kDabt, kPaciasp | std::uint64_t{kSubSp} << 32);
    Put(kIabt, kPaciasp | std::uint64_t{kSubSp} << 32);
    Put(kHugeQuestion, kBtiC | std::uint64_t{kPaciasp} << 32);
    Put(kHighMemory, kLinearEnd);
    WriteText("kallsyms", Symbols());
    WriteText("iomem", "40000000-403fffff : System RAM\n  40000000-4001ffff : Kernel code\n");
    WriteImage(true);
    Listen();
  }
  ~FakeMachine() {
    stop_ = true;
    if (server_.joinable()) server_.join();
  }

  static std::string Symbols() {
    return "ffff800080000000 T _text\nffff800080000000 T _stext\nffff800080010000 D _etext\n"
           "ffff800080020000 d __init_begin\nffff800080028000 B high_memory\n"
           "ffff800080002000 t kvm_hyp_handle_dabt_low\n"
           "ffff800080002100 t kvm_hyp_handle_memory_fault\n"
           "ffff800080002200 t fault_supports_stage2_huge_mapping\n"
           "ffff800080003000 T kvm_handle_guest_sea\n";
  }
  // The guest touches `page`, which its VMM has in the host page `backing`.
  void MapPage(std::uint64_t page, std::uint64_t backing) {
    Put(kRoot + 8 * (page >> 30 & 511), kMiddle | 3);
    Put(kMiddle + 8 * (page >> 21 & 511), kLast | 3);
    Put(LeafOf(page), backing | kStageTwo);
    Put(OwnerOf(page), backing | kUser);
  }
  static std::uint64_t LeafOf(std::uint64_t page) { return kLast + 8 * (page >> 12 & 511); }
  static std::uint64_t OwnerOf(std::uint64_t page) { return kOwner + 8 * (page >> 12 & 511); }

  void Put(std::uint64_t at, std::uint64_t word) { EXPECT_TRUE(ram_->Store({at}, word)); }
  std::uint64_t Get(std::uint64_t at) { return ram_->Load({at}).value(); }
  std::string Contents() const { return ReadTextFile(ram_path(), kBytes).value(); }
  void WriteText(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name, std::ios::binary) << text;
  }
  void WriteImage(bool with_btf) {
    BtfBuilder b;
    const auto u64 = b.Int("u64");
    const auto fault = b.Record(BtfBuilder::kStruct, "kvm_vcpu_fault_info", {{"esr_el2", u64, 64}});
    const auto arch =
        b.Record(BtfBuilder::kStruct, "kvm_vcpu_arch", {{"fault", fault, 8 * 0x1000}});
    b.Record(BtfBuilder::kStruct, "kvm_vcpu", {{"id", u64, 0}, {"arch", arch, 8 * 0x478}});
    const auto blob = b.Build();
    std::string image(1000, '\x55');
    if (with_btf) image.append(reinterpret_cast<const char*>(blob.data()), blob.size());
    WriteText("image", image);
  }
  // Nobody answers at the stub any more.
  void LoseStub() { ::unlink(gdb_path().c_str()); }

  std::string ram_path() const { return folder_ / "ram"; }
  std::string gdb_path() const { return folder_ / "gdb.sock"; }
  std::string path(const std::string& name) const { return folder_ / name; }

 private:
  void Listen() {
    listener_.Reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    auto address = UnixAddress(gdb_path());
    ASSERT_TRUE(address);
    ASSERT_EQ(::bind(listener_.get(), reinterpret_cast<sockaddr*>(&*address), sizeof(*address)), 0);
    ASSERT_EQ(::listen(listener_.get(), 1), 0);
    server_ = std::thread([this] {
      while (!stop_) {
        pollfd wait{listener_.get(), POLLIN, 0};
        if (::poll(&wait, 1, 20) > 0)
          Converse(UniqueFd(::accept(listener_.get(), nullptr, nullptr)));
      }
    });
  }
  void Converse(const UniqueFd& peer) {
    GdbPacketReader reader;
    char buffer[8192];
    for (ssize_t got; (got = ::recv(peer.get(), buffer, sizeof(buffer), 0)) > 0;) {
      reader.Append({buffer, static_cast<std::size_t>(got)});
      for (auto packet = reader.Next(); packet && *packet; packet = reader.Next()) {
        const std::string reply = "+" + EncodeGdbPacket(Reply(**packet));
        ::send(peer.get(), reply.data(), reply.size(), MSG_NOSIGNAL);
      }
    }
  }
  std::string Reply(const std::string& request) {
    if (request == "qfThreadInfo") return "m01";
    if (request == "g") return std::string(std::size_t{33} * 16, '0');  // pc 0
    if (request[0] != 'm' && request[0] != 'M') return "OK";
    std::size_t comma = 0;
    const std::uint64_t at = std::stoull(request.substr(1), &comma, 16);
    const std::uint64_t size = std::stoull(request.substr(comma + 2), nullptr, 16);
    UniqueFd file(::open(ram_path().c_str(), O_RDWR | O_CLOEXEC));
    std::vector<std::byte> bytes(size);
    if (request[0] == 'm') {
      EXPECT_EQ(::pread(file.get(), bytes.data(), size, static_cast<off_t>(at - kBase)),
                static_cast<ssize_t>(size));
      return ToHex(bytes);
    }
    bytes = FromHex(request.substr(request.find(':') + 1)).value();
    EXPECT_EQ(::pwrite(file.get(), bytes.data(), size, static_cast<off_t>(at - kBase)),
              static_cast<ssize_t>(size));
    return "OK";
  }

  seaward::testing::TempDir folder_;
  std::optional<MachineRam> ram_;
  UniqueFd listener_;
  std::atomic<bool> stop_ = false;
  std::thread server_;
};

}  // namespace seaward::lab
