// Each reason for which a page stays bad, by its word; what is refused keeps its content.
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include <filesystem>
#include <fstream>

#include "base/unique_fd.h"
#include "host-notifier/vmm/heal_fixture.h"

namespace seaward::vmm {
namespace {

class HealRefusal : public HealedVmm {
 protected:
  ~HealRefusal() override {
    if (!folder_.empty()) std::filesystem::remove_all(folder_);
  }
  // A /proc/self that says what the real one says, but for its descriptors.
  void ProcessHasDescriptors(const std::vector<std::string>& targets) {
    std::string pattern = "/tmp/swr.XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    for (const char* same : {"maps", "smaps"})
      std::filesystem::create_symlink(std::string("/proc/self/") + same, folder_ + "/" + same);
    std::filesystem::create_directory(folder_ + "/fd");
    std::filesystem::create_directory(folder_ + "/fdinfo");
    for (std::size_t i = 0; i < targets.size(); ++i)
      std::filesystem::create_symlink(targets[i], folder_ + "/fd/" + std::to_string(i));
    proc_self_ = folder_;
  }
  // The flags of the guest's memory, as the kernel writes them.
  void SmapsSays(const std::string& flag) {
    std::filesystem::remove(folder_ + "/smaps");
    const auto start = std::bit_cast<std::uintptr_t>(memory_);
    std::ofstream(folder_ + "/smaps")
        << std::hex << start << "-" << start + kBytes
        << " rw-p 00000000 00:00 0 \nSize:                 32 kB\nFilePmdMapped:         0 kB\n"
        << "VmFlags: rd wr mr mw me ac " << flag << " sd \n";
  }
  void Fdinfo(int fd, const std::string& text) {
    std::ofstream(folder_ + "/fdinfo/" + std::to_string(fd)) << text;
  }
  // Now, and as a standing order: neither is taken.
  std::string Refused(std::size_t page) {
    const HealResult now = OrderNow(page);
    EXPECT_EQ(Order(OrderFor(page, HealWhen::kAtReset)), now);
    EXPECT_EQ(FreshPages(), "");
    return std::string(ToString(now));
  }
  std::string RefusedAtReset(std::size_t page) {
    InitVcpu(kVcpu);
    const auto results = sink().orders->TakeResults();
    EXPECT_EQ(results.size(), 1u);
    EXPECT_EQ(FreshPages(), "");
    if (results.size() != 1 || results[0].id != OrderFor(page).id) return "";
    return std::string(ToString(results[0].result));
  }
  std::string folder_;
};

TEST_F(HealRefusal, not_mapped) {
  StartVmOnItsOwnMemory();
  HealOrder elsewhere = OrderFor(3);
  elsewhere.page = GuestPhysAddr{kGuestRam + kBytes};
  EXPECT_EQ(Order(elsewhere), HealResult::kNotMapped) << "no slot";
  HealOrder other_host = OrderFor(3);
  other_host.host = OrderFor(4).host;
  EXPECT_EQ(Order(other_host), HealResult::kNotMapped) << "not where the notifier thinks";
  HealOrder inside = OrderFor(3);
  inside.page.value += 8;
  inside.host.value += 8;
  EXPECT_EQ(Order(inside), HealResult::kNotMapped) << "no whole page";
  HealOrder own = OrderFor(3);
  own.host = HostVirtAddr{std::bit_cast<std::uintptr_t>(&own) & ~(kPage - 1)};
  EXPECT_EQ(Order(own), HealResult::kNotMapped) << "the VMM's own memory";
  SetRam(3 * kPage + 1);
  EXPECT_EQ(Refused(3), "not_mapped") << "the slot ends inside the page";
}

TEST_F(HealRefusal, not_mapped_at_reset) {
  StartVmOnItsOwnMemory();
  ASSERT_EQ(Order(OrderFor(3, HealWhen::kAtReset)), HealResult::kStanding);
  SetRam(0);
  EXPECT_EQ(RefusedAtReset(3), "not_mapped");
}

TEST_F(HealRefusal, not_private_anonymous_shared) {
  StartVmOn(::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  EXPECT_EQ(Refused(3), "not_private_anonymous");
}

TEST_F(HealRefusal, not_private_anonymous_memfd) {
  const UniqueFd memfd(::memfd_create("ram", MFD_CLOEXEC));
  ASSERT_EQ(::ftruncate(memfd.get(), kBytes), 0);
  StartVmOn(::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE, memfd.get(), 0));
  EXPECT_EQ(Refused(3), "not_private_anonymous") << "a private copy of a file";
}

TEST_F(HealRefusal, not_private_anonymous_huge_pages) {
  StartVmOnItsOwnMemory();
  ProcessHasDescriptors({});
  SmapsSays("ht");
  EXPECT_EQ(Refused(3), "not_private_anonymous");
}

TEST_F(HealRefusal, larger_page) {
  StartVmOnItsOwnMemory();
  kvm_.page_bytes_ = 65536;
  EXPECT_EQ(Refused(3), "larger_page");
}

TEST_F(HealRefusal, userfaultfd_registered) {
  const UniqueFd fd(static_cast<int>(::syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK)));
  StartVmOnItsOwnMemory();
  ProcessHasDescriptors({});
  for (const char* flag : {"um", "uw", "ui"}) {
    SmapsSays(flag);
    EXPECT_EQ(Refused(3), "userfaultfd") << flag;
  }
  std::filesystem::remove_all(std::exchange(folder_, ""));
  proc_self_ = "/proc/self";
  if (!fd.valid()) return;  // no right to one: then nobody else has either
  uffdio_api api{.api = UFFD_API, .features = 0, .ioctls = 0};
  ASSERT_EQ(::ioctl(fd.get(), UFFDIO_API, &api), 0);
  uffdio_register range{.range = {std::bit_cast<std::uintptr_t>(memory_), kBytes},
                        .mode = UFFDIO_REGISTER_MODE_MISSING,
                        .ioctls = 0};
  ASSERT_EQ(::ioctl(fd.get(), UFFDIO_REGISTER, &range), 0);
  EXPECT_EQ(Refused(3), "userfaultfd");
  ProcessHasDescriptors({});
  EXPECT_EQ(Refused(3), "userfaultfd") << "its descriptor is in another process";
}

TEST_F(HealRefusal, userfaultfd_open) {
  StartVmOnItsOwnMemory();
  ASSERT_EQ(Order(OrderFor(3, HealWhen::kAtReset)), HealResult::kStanding);
  ProcessHasDescriptors({"/dev/null", "anon_inode:[userfaultfd]"});
  EXPECT_EQ(RefusedAtReset(3), "userfaultfd") << "opened after the order came";
  EXPECT_EQ(Refused(3), "userfaultfd");
}

TEST_F(HealRefusal, vfio) {
  for (const char* device : {"/dev/vfio/vfio", "/dev/vfio/42", "anon_inode:[vfio-device]",
                             "/dev/iommu", "/dev/vhost-vdpa-0", "/dev/infiniband/uverbs0"}) {
    if (memory_ == nullptr) StartVmOnItsOwnMemory();
    if (!folder_.empty()) std::filesystem::remove_all(folder_);
    ProcessHasDescriptors({"anon_inode:kvm-vm", device});
    EXPECT_EQ(Refused(3), "vfio") << device;
  }
}

TEST_F(HealRefusal, vfio_opened_before_the_reset) {
  StartVmOnItsOwnMemory();
  ASSERT_EQ(Order(OrderFor(3, HealWhen::kAtReset)), HealResult::kStanding);
  ProcessHasDescriptors({"/dev/vfio/vfio"});
  EXPECT_EQ(RefusedAtReset(3), "vfio");
}

TEST_F(HealRefusal, io_uring) {
  StartVmOnItsOwnMemory();
  ProcessHasDescriptors({"anon_inode:[io_uring]"});
  EXPECT_EQ(Refused(3), "io_uring") << "what it holds cannot be known";
  Fdinfo(0, "SqMask:\t0x3\nUserFiles:\t0\nUserBufs:\t2\n");
  EXPECT_EQ(Refused(3), "io_uring");
  Fdinfo(0, "SqMask:\t0x3\nUserFiles:\t0\nUserBufs:\t0\n");
  EXPECT_EQ(OrderNow(3), HealResult::kReplaced) << "no registered buffers";
}

TEST_F(HealRefusal, vcpus_running) {
  StartVmOnItsOwnMemory();
  ASSERT_EQ(Order(OrderFor(3, HealWhen::kAtReset)), HealResult::kStanding);
  CreateVcpu(kVm, 1, 12);
  // The VMM re-initialises vCPU 0 while vCPU 1 is on its way into the guest.
  kvm_.on_run_ = [this](int vcpu) {
    InitVcpu(vcpu);  // so that nothing but its being inside says so
    InitVcpu(kVcpu);
  };
  Run(12);
  const auto results = sink().orders->TakeResults();
  ASSERT_EQ(results.size(), 1u);
  EXPECT_EQ(ToString(results[0].result), "vcpus_running");
  EXPECT_EQ(FreshPages(), "");
}

TEST_F(HealRefusal, failed) {
  StartVmOnItsOwnMemory();
  proc_self_ = "/nonexistent";
  EXPECT_EQ(Refused(3), "failed") << "the sandbox hides what is mapped";
  ProcessHasDescriptors({});
  std::filesystem::remove_all(folder_ + "/fd");
  EXPECT_EQ(Refused(3), "failed") << "nobody knows who else uses the memory";
}

TEST_F(HealRefusal, failed_by_the_system) {
  StartVmOnItsOwnMemory();
  PageToReplace unaligned{.address = OrderFor(3).host, .refusal = {}};
  unaligned.address.value += 8;
  EXPECT_EQ(SetAside(unaligned, kPage), EINVAL);
  EXPECT_EQ(FreshPages(), "");
}

}  // namespace
}  // namespace seaward::vmm
