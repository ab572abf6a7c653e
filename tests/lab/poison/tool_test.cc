// seaward-poison as a program: what it says and how it ends.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <csignal>
#include <fstream>

#include "tests/lab/poison/fake_machine_fixture.h"
#include "tests/support/child_process.h"
#include "tests/support/test_images.h"
#include "tests/support/wait_until.h"

namespace seaward::lab {
namespace {

constexpr std::chrono::seconds kLimit{30};

class PoisonToolTest : public ::testing::Test {
 protected:
  PoisonToolTest() {
    machine_.MapPage(0x48048000, 0x403a5000);
    untouched_ = machine_.Contents();
  }
  void Start() {
    auto child = testing::ChildProcess::Start(
        {.argv = {testing::HostBinDir() + "/seaward-poison", "--image", machine_.path("image"),
                  "--kallsyms", machine_.path("kallsyms"), "--iomem", machine_.path("iomem"),
                  "--ram", machine_.ram_path(), "--gdb", machine_.gdb_path()},
         .log = machine_.path("log"),
         .keep_stdin = true});
    ASSERT_TRUE(child);
    child_ = std::move(*child);
  }
  std::string Said() const {
    std::ifstream log(machine_.path("log"));
    return {std::istreambuf_iterator<char>(log), {}};
  }
  bool Hears(const std::string& text) const {
    return testing::WaitUntil([&] { return Said().find(text) != std::string::npos; }, kLimit);
  }
  void ExpectRefusal(const std::string& reason) {
    Start();
    const auto end = child_.Wait(kLimit);
    ASSERT_TRUE(end);
    EXPECT_EQ(end->exit_code, 2);
    EXPECT_NE(Said().find("error " + reason), std::string::npos) << Said();
    EXPECT_EQ(machine_.Contents(), untouched_) << "something was left behind";
  }

  FakeMachine machine_;
  std::string untouched_;
  testing::ChildProcess child_;
};

TEST_F(PoisonToolTest, PutsEverythingBackAtTheEndAndAfterASignal) {
  for (const int signal : {0, SIGTERM, SIGINT, SIGHUP}) {
    ::unlink(machine_.path("log").c_str());
    Start();
    ASSERT_TRUE(child_.WriteLine("poison 0x48048000 0x403a5000 fnv"));
    ASSERT_TRUE(Hears("ok poisoned")) << Said();
    EXPECT_NE(machine_.Contents(), untouched_);
    if (signal == 0) {
      child_.CloseStdin();
    } else {
      child_.Signal(signal);
    }
    const auto end = child_.Wait(kLimit);
    ASSERT_TRUE(end);
    EXPECT_EQ(end->exit_code, 0) << signal;
    EXPECT_EQ(end->signal, 0);
    EXPECT_NE(Said().find("ok restored descriptors=1 replaced=0 patch_removed=true"),
              std::string::npos);
    EXPECT_EQ(machine_.Contents(), untouched_) << signal;
  }
}

TEST_F(PoisonToolTest, EndsWithTwoAfterARefusedOrder) {
  Start();
  ASSERT_TRUE(child_.WriteLine("poison 0x48049000 0x403a5000"));
  ASSERT_TRUE(child_.WriteLine("quit"));
  const auto end = child_.Wait(kLimit);
  ASSERT_TRUE(end);
  EXPECT_EQ(end->exit_code, 2);
  EXPECT_NE(Said().find("error unmapped page"), std::string::npos) << Said();
  EXPECT_EQ(machine_.Contents(), untouched_);
}

TEST_F(PoisonToolTest, SaysThatTheKernelLacksTheCapability) {
  std::string older = FakeMachine::Symbols();
  older.resize(older.find("ffff800080003000"));
  machine_.WriteText("kallsyms", older);
  ExpectRefusal("no capability");
}

TEST_F(PoisonToolTest, SaysThatTheImageHasNoBtf) {
  machine_.WriteImage(false);
  ExpectRefusal("no BTF");
}

TEST_F(PoisonToolTest, SaysThatTheGuestIsGone) {
  machine_.LoseStub();
  ExpectRefusal("guest gone");
}

TEST_F(PoisonToolTest, LeavesAKernelAloneThatSomebodyElseHasPatched) {
  machine_.Put(FakeMachine::kIabt, FakeMachine::kPaciasp | std::uint64_t{0x14000010} << 32);
  untouched_ = machine_.Contents();
  ExpectRefusal("KVM's abort handlers begin in an unknown way");
}

TEST_F(PoisonToolTest, RefusesAWrongCommandLine) {
  const auto run =
      testing::RunToEnd({testing::HostBinDir() + "/seaward-poison", "--dance"}, kLimit);
  ASSERT_TRUE(run);
  EXPECT_EQ(run->end.exit_code, 2);
}

}  // namespace
}  // namespace seaward::lab
