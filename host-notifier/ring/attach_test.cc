// Real processes and threads on both sides of the attach socket.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <filesystem>

#include "host-notifier/ring/attach_listener.h"
#include "host-notifier/ring/ring_fixture.h"
#include "seaward/vmm.h"

namespace seaward::ring {
namespace {

constexpr int kLongEnoughMs = 20000;
const char* const kUuidText = "c7a5fdbd-edaf-9455-926a-d65c16db1809";

class Attaching : public testing::Test {
 protected:
  Attaching() {
    char pattern[] = "/tmp/swring-XXXXXX";
    folder_ = ::mkdtemp(pattern);
    options_.path = folder_ + "/attach.sock";
  }
  ~Attaching() override {
    seaward_detach(vmm_);
    listener_.reset();
    std::filesystem::remove_all(folder_);
  }
  void NotifierStarts() { listener_.emplace(AttachListener::Open(options_, clock_).value()); }

  void VmmStarts() {
    const Uuid uuid = ParseUuid(kUuidText).value();
    seaward_config config{};
    config.struct_size = sizeof config;
    config.attach_socket = options_.path.c_str();
    config.vm_uuid = reinterpret_cast<const std::uint8_t*>(uuid.bytes.data());
    ASSERT_EQ(seaward_attach(&config, &vmm_), 0);
  }
  void VmmPublishes(std::uint64_t gpa) {
    seaward_exit exit{};
    exit.struct_size = sizeof exit;
    exit.flags = SEAWARD_EXIT_GPA_VALID;
    exit.gpa = gpa;
    ASSERT_EQ(seaward_publish(vmm_, &exit), SEAWARD_PUBLISHED);
  }
  seaward_status VmmStatus() {
    seaward_status status{};
    status.struct_size = sizeof status;
    seaward_get_status(vmm_, &status);
    return status;
  }
  template <class Condition>
  bool Eventually(Condition condition) {
    const auto deadline = clock_.Now() + std::chrono::milliseconds(kLongEnoughMs);
    while (!condition())
      if (clock_.Now() > deadline || ::poll(nullptr, 0, 1) < 0) return false;
    return true;
  }
  // The next attachment or refusal.
  Result<Attachment> NextAttach() {
    while (IsReadable(listener_->fd(), kLongEnoughMs)) {
      auto accepted = listener_->Accept();
      if (!accepted) return Forward(accepted);
      if (accepted->has_value()) return std::move(**accepted);
    }
    return Fail(ErrorCode::kTimeout, "nobody attached");
  }
  UniqueFd ConnectRaw() {
    UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, options_.path.c_str());
    EXPECT_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    return fd;
  }
  void SendRaw(int fd, std::span<const std::byte> bytes, const std::vector<int>& fds) {
    iovec iov{const_cast<std::byte*>(bytes.data()), bytes.size()};
    std::vector<std::byte> control(CMSG_SPACE(fds.size() * sizeof(int)));
    msghdr message{};
    message.msg_iov = &iov;
    message.msg_iovlen = 1;
    if (!fds.empty()) {
      message.msg_control = control.data();
      message.msg_controllen = control.size();
      cmsghdr* c = CMSG_FIRSTHDR(&message);
      c->cmsg_level = SOL_SOCKET;
      c->cmsg_type = SCM_RIGHTS;
      c->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
      std::memcpy(CMSG_DATA(c), fds.data(), fds.size() * sizeof(int));
    }
    ASSERT_EQ(::sendmsg(fd, &message, 0), static_cast<ssize_t>(bytes.size()));
  }
  vmm::AttachReply ReplyTo(int fd) {
    std::array<std::byte, 64> bytes;
    const ssize_t n = ::recv(fd, bytes.data(), bytes.size(), 0);
    EXPECT_GT(n, 0);
    return vmm::DecodeAttachReply(std::span(bytes).first(static_cast<std::size_t>(n))).value();
  }
  std::vector<std::uint64_t> DrainPages(Attachment& vm) {
    std::vector<std::uint64_t> pages;
    vm.ring.Drain(1000, [&](const RingEvent& event) {
      pages.push_back(event.gpa.value);
      vm.ring.Release(event.token);
    });
    return pages;
  }

  SystemClock clock_;
  std::string folder_;
  ListenerOptions options_;
  std::optional<AttachListener> listener_;
  seaward_vmm* vmm_ = nullptr;
};

TEST_F(Attaching, TellsWhoAttachedAndBringsItsRing) {
  NotifierStarts();
  VmmStarts();
  auto vm = NextAttach();
  ASSERT_TRUE(vm) << vm.error().Text();
  EXPECT_EQ(vm->process, IdentifyProcess(::getpid(), "/proc").value());
  EXPECT_EQ(vm->uid, ::getuid());
  EXPECT_EQ(FormatUuid(vm->claimed_vm.value()), kUuidText);
  EXPECT_EQ(VmmStatus().attached, 0u);  // nobody confirmed yet
  vm->Confirm();
  EXPECT_TRUE(Eventually([&] { return VmmStatus().attached == 1; }));
  EXPECT_TRUE(DrainPages(*vm).empty());
  VmmPublishes(0x48048000);
  EXPECT_TRUE(IsReadable(vm->ring.doorbell_fd(), kLongEnoughMs));
  EXPECT_EQ(DrainPages(*vm), std::vector<std::uint64_t>{0x48048000});
  EXPECT_EQ(VmmStatus().waiting, 0u);
  EXPECT_FALSE(IsReadable(vm->connection.get()));
  seaward_detach(vmm_);
  vmm_ = nullptr;
  EXPECT_TRUE(IsReadable(vm->connection.get(), kLongEnoughMs));
}

TEST_F(Attaching, HappensAgainWhenTheNotifierRestartsAndLosesNothing) {
  VmmStarts();
  VmmPublishes(0x1000);  // nobody there yet
  for (std::uint64_t life = 1; life <= 3; ++life) {
    NotifierStarts();
    auto vm = NextAttach();
    ASSERT_TRUE(vm) << vm.error().Text();
    vm->Confirm();
    EXPECT_EQ(DrainPages(*vm), std::vector<std::uint64_t>{life * 0x1000});
    EXPECT_TRUE(Eventually([&] { return VmmStatus().attach_count == life; }));
    listener_.reset();  // and the connection with `vm`
    VmmPublishes((life + 1) * 0x1000);
  }
  EXPECT_TRUE(Eventually([&] { return VmmStatus().attached == 0; }));
}

TEST_F(Attaching, CanBeRefusedAndIsTriedAgain) {
  NotifierStarts();
  VmmStarts();
  {
    auto vm = NextAttach();
    ASSERT_TRUE(vm);
    vm->Refuse(vmm::AttachReply::kUnknownVm);
  }
  EXPECT_TRUE(Eventually([&] { return VmmStatus().refusals == 1; }));
  auto again = NextAttach();
  EXPECT_TRUE(again);
}

TEST_F(Attaching, RefusesWhatIsNoRingAndNamesTheProcess) {
  NotifierStarts();
  const auto good = vmm::EncodeAttachRequest({.ring_bytes = 4096, .claimed_vm = std::nullopt});
  const UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  const UniqueFd bell(::eventfd(0, EFD_CLOEXEC));
  std::vector<std::byte> long_letter(good.begin(), good.end());
  long_letter.resize(4000);
  const struct {
    std::span<const std::byte> bytes;
    std::vector<int> fds;
  } letters[] = {
      {good, {}},
      {good, {bell.get()}},
      {good, {null.get(), bell.get()}},
      {good, {bell.get(), bell.get()}},
      {good, {bell.get(), bell.get(), bell.get()}},
      {std::span(good).first(5), {null.get()}},
      {long_letter, {}},
  };
  for (const auto& letter : letters) {
    const UniqueFd vmm = ConnectRaw();
    SendRaw(vmm.get(), letter.bytes, letter.fds);
    const auto refused = NextAttach();
    ASSERT_FALSE(refused);
    const std::string who =
        "pid " + std::to_string(::getpid()) + " uid " + std::to_string(::getuid());
    EXPECT_NE(refused.error().context.find(who), std::string::npos) << refused.error().context;
    EXPECT_EQ(ReplyTo(vmm.get()), vmm::AttachReply::kMalformed);
  }
}

TEST_F(Attaching, IsNotDelayedByPeersThatSayNothing) {
  NotifierStarts();
  std::vector<UniqueFd> silent;
  for (int i = 0; i < 100; ++i) {
    silent.push_back(ConnectRaw());
    while (IsReadable(listener_->fd())) ASSERT_TRUE(listener_->Accept());
  }
  EXPECT_LE(listener_->waiting(), 64u);
  silent.clear();
  while (IsReadable(listener_->fd())) ASSERT_TRUE(listener_->Accept());
  EXPECT_EQ(listener_->waiting(), 0u);
  VmmStarts();
  EXPECT_TRUE(NextAttach());
}

TEST_F(Attaching, TakesOverAnAbandonedSocketOnly) {
  NotifierStarts();
  const auto second = AttachListener::Open(options_, clock_);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kExists);
  // A notifier that was killed: the path stays.
  {
    UniqueFd abandoned(::socket(AF_UNIX, SOCK_SEQPACKET, 0));
    options_.path = folder_ + "/old.sock";
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, options_.path.c_str());
    ASSERT_EQ(::bind(abandoned.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  EXPECT_TRUE(AttachListener::Open(options_, clock_));
  EXPECT_FALSE(std::filesystem::exists(options_.path));  // removed by its owner's end
  options_.path = folder_ + "/file";
  ASSERT_GE(UniqueFd(::open(options_.path.c_str(), O_CREAT | O_WRONLY, 0600)).get(), 0);
  EXPECT_FALSE(AttachListener::Open(options_, clock_));
  EXPECT_TRUE(std::filesystem::exists(options_.path));
}

// Killed at any point of a publish, a VMM leaves whole records or none.
TEST_F(Attaching, SurvivesVmmsThatAreKilledWhileTheyPublish) {
  NotifierStarts();
  std::uint64_t records = 0;
  for (int round = 0; round < 20; ++round) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      ::execl(SEAWARD_RING_TEST_VMM, "ring_test_vmm", options_.path.c_str(), nullptr);
      ::_exit(127);
    }
    auto vm = NextAttach();
    ASSERT_TRUE(vm) << vm.error().Text();
    EXPECT_EQ(vm->process.pid, child);
    vm->Confirm();
    std::uint64_t expected = 0;
    const auto check = [&](const RingEvent& event) {
      ASSERT_GE(event.gpa.value, expected);
      ASSERT_EQ(event.gva.value, ~event.gpa.value);
      ASSERT_EQ(event.hva.value, event.gpa.value + 1);
      ASSERT_EQ(event.esr, event.gpa.value >> 12);
      expected = event.gpa.value + 4096;
      ++records;
      vm->ring.Release(event.token);
    };
    const std::uint64_t enough = records + 50 + static_cast<std::uint64_t>(round) * 37;
    while (records < enough) vm->ring.Drain(7, check);
    ::kill(child, SIGKILL);
    EXPECT_TRUE(IsReadable(vm->connection.get(), kLongEnoughMs));
    ASSERT_EQ(::waitpid(child, nullptr, 0), child);
    while (vm->ring.Drain(1000, check) == 1000) {
    }
    EXPECT_EQ(vm->ring.counters().malformed, 0u);
  }
}

}  // namespace
}  // namespace seaward::ring
