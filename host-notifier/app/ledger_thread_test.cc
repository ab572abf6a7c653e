#include "host-notifier/app/ledger_thread.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <vector>

namespace seaward {
namespace {

using std::chrono_literals::operator""ms;

constexpr std::chrono::hours kForEver{1};  // longer than any test may take

class LedgerThreadTest : public ::testing::Test {
 protected:
  LedgerThreadTest() {
    char name[] = "/tmp/swltXXXXXX";
    folder_ = ::mkdtemp(name);
    Start(LedgerThread::Options{}.gather);
  }
  ~LedgerThreadTest() override {
    thread_.reset();
    std::filesystem::remove_all(folder_);
  }

  void Start(std::chrono::milliseconds gather) {
    thread_.reset();
    auto opened = ledger::Ledger::Open(folder_ + "/l.db", Uuid{}, clock_);
    ASSERT_TRUE(opened) << opened.error().Text();
    thread_ = std::make_unique<LedgerThread>(
        loop_, std::move(opened->ledger), clock_,
        LedgerThread::Options{.retry_first = 1ms,
                              .retry_longest = 4ms,
                              .longest_queue = 4,
                              .gather = gather,
                              .committed =
                                  [this](std::chrono::nanoseconds took) {
                                    EXPECT_GE(took.count(), 0);
                                    ++committed_;
                                  }},
        [this](const std::optional<Error>& failing) { health_.push_back(failing.has_value()); });
  }

  void Write(
      int number, const std::function<Status()>& work = [] { return Status(); }) {
    thread_->Write<void>(
        [work](ledger::Ledger&) { return work(); },
        [this, number](const Status& done) { done_.push_back(done ? number : -number); });
  }
  void WriteTogether(int number, const std::function<Status()>& work) {
    thread_->WriteTogether<void>(
        [work](ledger::Ledger&) { return work(); },
        [this, number](const Status& done) { done_.push_back(done ? number : -number); });
  }
  // Keeps the thread busy until `released`, so that what comes meanwhile waits together.
  void HoldThread(const std::atomic<bool>& released) {
    const auto held = std::make_shared<std::atomic<bool>>(false);
    Write(0, [held, &released]() -> Status {
      *held = true;
      held->notify_one();
      released.wait(false);
      return {};
    });
    held->wait(false);
  }
  void Release(std::atomic<bool>& released) {
    released = true;
    released.notify_one();
  }
  template <class Condition>
  void RunUntil(Condition condition) {
    const auto work = boost::asio::make_work_guard(loop_);
    loop_.restart();
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!condition() && std::chrono::steady_clock::now() < deadline) loop_.run_one_for(1000ms);
    ASSERT_TRUE(condition());
  }

  SystemClock clock_;
  std::string folder_;
  boost::asio::io_context loop_;
  std::unique_ptr<LedgerThread> thread_;
  std::vector<int> done_;
  std::vector<bool> health_;
  int committed_ = 0;
};

TEST_F(LedgerThreadTest, WritesFinishInTheirOrderWhateverFailsInBetween) {
  std::atomic<int> attempts{0};
  Write(1);
  Write(2, [&]() -> Status {
    if (++attempts < 4) return Fail(ErrorCode::kNoSpace, "full");
    return {};
  });
  Write(3);
  RunUntil([this] { return done_.size() == 3; });
  EXPECT_EQ((std::vector<int>{1, 2, 3}), done_);
  EXPECT_EQ(4, attempts);
  EXPECT_EQ((std::vector<bool>{true, false}), health_) << "each change is told once";
}

TEST_F(LedgerThreadTest, AWriteThatCannotEverSucceedIsNotRepeated) {
  std::atomic<int> attempts{0};
  Write(1, [&]() -> Status {
    ++attempts;
    return Fail(ErrorCode::kInvalid, "no such page");
  });
  RunUntil([this] { return done_.size() == 1; });
  EXPECT_EQ(-1, done_[0]);
  EXPECT_EQ(1, attempts);
  EXPECT_TRUE(health_.empty());
}

TEST_F(LedgerThreadTest, WritesThatWaitTogetherShareACommit) {
  std::atomic<bool> released{false};
  HoldThread(released);
  WriteTogether(1, [] { return Status(); });
  WriteTogether(2, [] { return Status(Fail(ErrorCode::kInvalid, "no such page")); });
  WriteTogether(3, [] { return Status(); });
  Write(4);
  Release(released);
  RunUntil([this] { return done_.size() == 5; });
  EXPECT_EQ((std::vector<int>{0, 1, -2, 3, 4}), done_);
  EXPECT_EQ(3, committed_) << "the one that held the thread, the three, the last";
  EXPECT_TRUE(health_.empty());
}

TEST_F(LedgerThreadTest, AnIdleThreadWaitsForWritesThatCanJoinTheFirst) {
  Start(kForEver);
  const auto succeeds = [] { return Status(); };
  WriteTogether(1, succeeds);
  WriteTogether(2, succeeds);
  bool read = false;
  thread_->Read<void>([](ledger::Ledger&) { return Status(); },
                      [&read](const Status&) { read = true; });
  RunUntil([&] { return read; });
  EXPECT_TRUE(done_.empty()) << "a read ended the wait";
  Write(3);
  RunUntil([this] { return done_.size() == 3; });
  EXPECT_EQ((std::vector<int>{1, 2, 3}), done_);
  EXPECT_EQ(2, committed_) << "a write of its own ends the wait; those before it are one commit";
}

TEST_F(LedgerThreadTest, AWriteThatNothingJoinsWaitsNoLongerThanItShould) {
  Start(2ms);
  WriteTogether(1, [] { return Status(); });
  RunUntil([this] { return done_.size() == 1; });
  EXPECT_EQ(1, committed_);
}

TEST_F(LedgerThreadTest, StopWaitsForNothingToJoin) {
  Start(kForEver);
  std::atomic<bool> written{false};
  WriteTogether(1, [&written] {
    written = true;
    return Status();
  });
  thread_->Stop();
  EXPECT_TRUE(written);
}

TEST_F(LedgerThreadTest, AnErrorOfTheDiskInACommonCommitDelaysOnlyThoseBehindIt) {
  std::atomic<bool> released{false};
  std::atomic<bool> full{true};
  HoldThread(released);
  WriteTogether(1, [] { return Status(); });
  WriteTogether(2, [&]() -> Status {
    if (full) return Fail(ErrorCode::kNoSpace, "full");
    return {};
  });
  WriteTogether(3, [] { return Status(); });
  Release(released);
  RunUntil([this] { return !health_.empty(); });
  EXPECT_EQ((std::vector<int>{0, 1}), done_);
  full = false;
  RunUntil([this] { return done_.size() == 4; });
  EXPECT_EQ((std::vector<int>{0, 1, 2, 3}), done_);
  EXPECT_EQ((std::vector<bool>{true, false}), health_);
}

TEST_F(LedgerThreadTest, ReadsDoNotWaitForAFullDisk) {
  std::atomic<bool> full{true};
  Write(1, [&]() -> Status {
    if (full) return Fail(ErrorCode::kNoSpace, "full");
    return {};
  });
  int seen = 0;
  thread_->Read<int>([](ledger::Ledger&) -> Result<int> { return 7; },
                     [&](Result<int> value) { seen = *value; });
  RunUntil([&] { return seen == 7; });
  EXPECT_TRUE(done_.empty());
  full = false;
  RunUntil([this] { return done_.size() == 1; });
}

TEST_F(LedgerThreadTest, MoreThanTheQueueHoldsIsRefusedAtOnce) {
  std::atomic<bool> full{true};
  for (int i = 1; i <= 6; ++i)
    Write(i, [&]() -> Status {
      if (full) return Fail(ErrorCode::kNoSpace, "full");
      return {};
    });
  RunUntil([this] { return !done_.empty(); });
  EXPECT_LT(done_[0], 0);
  full = false;
  RunUntil([this] { return done_.size() == 6; });
}

TEST_F(LedgerThreadTest, StopTriesWhatWaitsOnceMoreAndCallsNobody) {
  std::atomic<bool> full{true};
  std::atomic<int> written{0};
  for (int i = 1; i <= 3; ++i)
    Write(i, [&]() -> Status {
      if (full) return Fail(ErrorCode::kNoSpace, "full");
      ++written;
      return {};
    });
  RunUntil([this] { return !health_.empty(); });
  full = false;
  thread_->Stop();
  EXPECT_EQ(3, written);
  loop_.restart();
  loop_.poll();
  EXPECT_TRUE(done_.empty());
}

TEST_F(LedgerThreadTest, StopDoesNotWaitForADiskThatStaysFull) {
  Write(1, []() -> Status { return Fail(ErrorCode::kNoSpace, "full"); });
  Write(2, []() -> Status { return Fail(ErrorCode::kNoSpace, "full"); });
  RunUntil([this] { return !health_.empty(); });
  thread_->Stop();
  EXPECT_EQ(0u, thread_->waiting());
}

}  // namespace
}  // namespace seaward
