// Actions against a real ledger, real programs and a domain that does what libvirt's would; and
// what the next notifier makes of those that were under way when one died.
#include "host-notifier/app/action_desk.h"

#include <gmock/gmock.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <boost/asio/post.hpp>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/fake_clock.h"
#include "host-notifier/loop/loop_fixture.h"

namespace seaward {
namespace {

using policy::Action;
using policy::ActionState;
using testing::ElementsAre;
using testing::HasSubstr;

const ledger::VmIdentity kVm{*ParseUuid("c7a5fdbd-edaf-9455-926a-d65c16db1809"), "g1"};

class NoLines final : public LogSink {
 public:
  void Write(LogLevel, std::string_view) override {}
};

// One domain, and a notifier that can be made to die beside it.
class FakeDomain final : public DomainHands {
 public:
  enum class Death { kNone, kBeforeIt, kAfterIt };

  explicit FakeDomain(boost::asio::io_context& loop) : loop_(loop) {}

  void Look(const Uuid&, std::function<void(Result<DomainState>)> done) override {
    Call(
        "look", [] {},
        [this, done = std::move(done)] {
          if (!reachable) return done(Fail(ErrorCode::kClosed, "libvirtd is out of reach"));
          if (!is_domain) return done(Fail(ErrorCode::kUnsupported, "no domain"));
          done(DomainState{running, paused, persistent, persistent ? "" : "<domain/>"});
        });
  }
  void Give(const Uuid&, DomainOrder order, std::function<void(Status)> done) override {
    const bool stop = order == DomainOrder::kStop;
    const auto effect = [this, order, stop] {
      if (!obeys) return;
      if (stop) running = false;
      if (order == DomainOrder::kPause) paused = true;
    };
    Call(stop ? "stop" : (order == DomainOrder::kPause ? "pause" : "reset"), effect,
         [this, done = std::move(done)] {
           if (!obeys) return done(Fail(ErrorCode::kIo, "libvirt says no"));
           done({});
         });
  }
  void StartDomain(const Uuid&, const std::string& xml, std::function<void(Status)> done) override {
    const bool may = !running && (persistent || !xml.empty()) && failing_starts == 0;
    if (failing_starts > 0) --failing_starts;
    const auto effect = [this, may] {
      if (!may) return;
      running = true;
      memory = RandomUuid();
    };
    Call("start", effect, [may, done = std::move(done)] {
      if (!may) return done(Fail(ErrorCode::kIo, "cannot be started"));
      done({});
    });
  }
  std::optional<Uuid> Incarnation(const Uuid&) const override {
    return running ? std::optional(memory) : std::nullopt;
  }
  bool MayRestartTransient(const Uuid&) const override { return may_restart_transient; }
  bool HasFixedBacking(const std::string&) const override { return has_fixed_backing; }
  void RetireFrames(const Uuid&, const Uuid& incarnation) override {
    calls.push_back(incarnation == memory ? "retire" : "retire other");
  }

  // The notifier dies at this call, counted from 0, before or after its effect.
  void DieAt(std::size_t call, Death death) {
    made_ = 0;
    die_at_ = call;
    death_ = death;
  }
  bool died() const { return died_; }
  void NextNotifier() {
    died_ = false;
    death_ = Death::kNone;
  }
  std::size_t Times(const std::string& call) const {
    return static_cast<std::size_t>(std::ranges::count(calls, call));
  }

  bool is_domain = true;
  bool reachable = true;
  bool obeys = true;
  bool running = true;
  bool paused = false;
  bool persistent = true;
  bool may_restart_transient = false;
  bool has_fixed_backing = false;
  int failing_starts = 0;
  Uuid memory;
  std::vector<std::string> calls;  // in order, with their effects unless the notifier died before

 private:
  void Call(const std::string& name, const std::function<void()>& effect,
            std::function<void()> answer) {
    if (died_) return;
    died_ = death_ != Death::kNone && made_++ == die_at_;
    if (died_ && death_ == Death::kBeforeIt) return;
    calls.push_back(name);
    effect();
    if (!died_) boost::asio::post(loop_, std::move(answer));
  }

  boost::asio::io_context& loop_;
  std::size_t made_ = 0;  // calls since DieAt
  std::size_t die_at_ = 0;
  Death death_ = Death::kNone;
  bool died_ = false;
};

class ActionDeskTest : public LoopTest {
 protected:
  ActionDeskTest() {
    char name[] = "/tmp/swadXXXXXX";
    folder_ = ::mkdtemp(name);
    auto opened = ledger::Ledger::Open(folder_ + "/l.db", Uuid{}, clock_);
    domain_.memory = opened->ledger->BeginIncarnation(kVm, {4711, 88})->id;
    ledger_ =
        std::make_unique<LedgerThread>(loop_, std::move(opened->ledger), clock_,
                                       LedgerThread::Options{}, [](const std::optional<Error>&) {});
    policy::Hook hook;
    hook.name = "ops";
    hook.program = folder_ + "/hook";
    hook.deadline = std::chrono::seconds(20);
    hook.attempts = 2;
    config_.hooks = {hook};
    NotifierStarts();
  }
  ~ActionDeskTest() override {
    desk_.reset();
    ledger_->Stop();
    std::filesystem::remove_all(folder_);
  }

  void NotifierStarts() {
    domain_.NextNotifier();
    desk_ = std::make_shared<ActionDesk>(ActionDesk::Parts{
        loop_, clock_, *ledger_, log_, config_, domain_, "host1", std::chrono::milliseconds(1)});
    desk_->Resume();
  }
  // Its answers come to nobody.
  void NotifierDies() { desk_.reset(); }

  ledger::DecisionRow Decides(const Action& action) {
    ledger::NewDecision decision{
        {"rule", action, ActionState::kPending, "because", 1, clock_.WallNow()},
        clock_.WallNow() + std::chrono::hours(1)};
    return Ask<std::vector<ledger::DecisionRow>>([&](ledger::Ledger& l) {
             return l.Decisions().Record(kVm, domain_.memory, std::span(&decision, 1));
           })
        .front();
  }
  ledger::DecisionRow DecidesTo(policy::Intervention what) { return Decides({"", what}); }
  ledger::DecisionRow DecidesToTell() { return Decides({"ops", policy::Intervention::kNone}); }
  ledger::DecisionRow Row() {
    return Ask<std::vector<ledger::DecisionRow>>(
               [](ledger::Ledger& l) { return l.Decisions().Newest(kVm.uuid, 1); })
        .front();
  }
  template <class T>
  T Ask(std::function<Result<T>(ledger::Ledger&)> work) {
    std::optional<Result<T>> answer;
    ledger_->Write<T>(std::move(work), [&](Result<T> said) { answer = std::move(said); });
    RunUntil([&] { return answer.has_value(); });
    return answer->value();
  }
  void RunUntilOver() {
    RunUntil([this] { return desk_->open() == 0; });
  }
  ActionState StateAfter(const ledger::DecisionRow& row) {
    desk_->Take({row});
    RunUntilOver();
    return Row().state;
  }
  void HookIs(const std::string& script) {
    std::ofstream(folder_ + "/hook") << "#!/bin/sh\n" << script << "\n";
    ::chmod((folder_ + "/hook").c_str(), 0700);
  }
  std::string File(const std::string& name) const {
    std::ifstream in(folder_ + "/" + name);
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
  }

  FakeClock clock_;
  NoLines sink_;
  const Logger log_{sink_, LogLevel::kError};
  std::string folder_;
  policy::PolicyConfig config_;
  FakeDomain domain_{loop_};
  std::unique_ptr<LedgerThread> ledger_;
  std::shared_ptr<ActionDesk> desk_;
};

TEST_F(ActionDeskTest, AHookIsToldOnceAndItsRowIsDone) {
  HookIs("cat >> " + folder_ + "/told");
  EXPECT_EQ(StateAfter(DecidesToTell()), ActionState::kDone);
  const auto told = nlohmann::json::parse(File("told"));
  EXPECT_EQ(told["data"]["vm"], "g1");
  EXPECT_EQ(told["data"]["attempt"], 1);
  EXPECT_EQ(told["source"], "/seaward/host1");
  EXPECT_EQ(desk_->counts().at({"notify", "done"}), 1u);
}

TEST_F(ActionDeskTest, AHookThatFailsIsRunAsOftenAsThePolicySays) {
  HookIs("echo x >> " + folder_ + "/runs; echo no such queue; exit 3");
  EXPECT_EQ(StateAfter(DecidesToTell()), ActionState::kFailed);
  EXPECT_EQ(File("runs"), "x\nx\n");
  EXPECT_EQ(Row().attempts, 2u);
  EXPECT_EQ(Row().result, "exit 3: no such queue");
}

TEST_F(ActionDeskTest, AHookThatHangsIsKilledAndTriedAgain) {
  config_.hooks[0].deadline = std::chrono::seconds(1);
  HookIs("echo x >> " + folder_ + "/runs; [ $(wc -l < " + folder_ + "/runs) = 2 ] || sleep 1000");
  EXPECT_EQ(StateAfter(DecidesToTell()), ActionState::kDone);
  EXPECT_EQ(Row().attempts, 2u);
}

TEST_F(ActionDeskTest, AProgramThatIsNotThereFailsByName) {
  EXPECT_EQ(StateAfter(DecidesToTell()), ActionState::kFailed);
  EXPECT_THAT(Row().result, HasSubstr("/hook: No such file"));
}

TEST_F(ActionDeskTest, WhatIsTooLateIsNotDone) {
  HookIs("echo x >> " + folder_ + "/runs");
  const auto row = DecidesToTell();
  clock_.Advance(std::chrono::hours(2));
  EXPECT_EQ(StateAfter(row), ActionState::kExpired);
  EXPECT_EQ(File("runs"), "");
}

TEST_F(ActionDeskTest, ABurstIsToldOneByOneAndWhole) {
  HookIs("echo x >> " + folder_ + "/runs");
  std::vector<ledger::DecisionRow> rows;
  for (int i = 0; i < 40; ++i) rows.push_back(DecidesToTell());
  desk_->Take(rows);
  RunUntilOver();
  EXPECT_EQ(File("runs").size(), 80u);
  EXPECT_EQ(desk_->counts().at({"notify", "done"}), 40u);
}

TEST_F(ActionDeskTest, ANoticeUnderWayAtADeathIsRepeatedWhereThePolicyAllowsIt) {
  HookIs("echo x >> " + folder_ + "/runs; sleep 1000");
  desk_->Take({DecidesToTell()});
  RunUntil([this] { return File("runs") == "x\n"; });
  NotifierDies();
  EXPECT_EQ(Row().state, ActionState::kUnderWay);
  HookIs("echo y >> " + folder_ + "/runs");
  NotifierStarts();
  RunUntil([this] { return Row().state == ActionState::kDone; });
  EXPECT_EQ(File("runs"), "x\ny\n");
  EXPECT_EQ(Row().attempts, 2u);
}

TEST_F(ActionDeskTest, ANoticeThatMayNotBeRepeatedIsUnknownAfterADeath) {
  config_.hooks[0].attempts = 1;
  HookIs("echo x >> " + folder_ + "/runs; sleep 1000");
  desk_->Take({DecidesToTell()});
  RunUntil([this] { return File("runs") == "x\n"; });
  NotifierDies();
  NotifierStarts();
  RunUntil([this] { return Row().state == ActionState::kUnknown; });
  EXPECT_EQ(File("runs"), "x\n");
}

TEST_F(ActionDeskTest, AColdRestartRetiresTheFramesBeforeItStartsTheVmAgain) {
  EXPECT_EQ(StateAfter(DecidesTo(policy::Intervention::kColdRestart)), ActionState::kDone);
  EXPECT_THAT(domain_.calls, ElementsAre("look", "stop", "retire", "start"));
  EXPECT_TRUE(domain_.running);
  EXPECT_TRUE(Row().kept_xml.empty()) << "secrets do not stay";
}

TEST_F(ActionDeskTest, ATransientDomainIsRestartedOnlyWhereThePolicySaysSo) {
  domain_.persistent = false;
  EXPECT_EQ(StateAfter(DecidesTo(policy::Intervention::kColdRestart)), ActionState::kRefused);
  EXPECT_THAT(Row().result, HasSubstr("transient"));
  EXPECT_TRUE(domain_.running);
  domain_.may_restart_transient = true;
  EXPECT_EQ(StateAfter(DecidesTo(policy::Intervention::kColdRestart)), ActionState::kDone);
  EXPECT_TRUE(domain_.running);
}

TEST_F(ActionDeskTest, AVmWhoseMemoryStaysIsNotRestartedForIt) {
  domain_.has_fixed_backing = true;
  EXPECT_EQ(StateAfter(DecidesTo(policy::Intervention::kColdRestart)), ActionState::kRefused);
  EXPECT_THAT(Row().result, HasSubstr("fixed_backing"));
  EXPECT_EQ(StateAfter(DecidesTo(policy::Intervention::kReset)), ActionState::kDone);
}

TEST_F(ActionDeskTest, WhatIsNoDomainOrDoesNotRunIsRefused) {
  domain_.is_domain = false;
  EXPECT_EQ(StateAfter(DecidesTo(policy::Intervention::kReset)), ActionState::kRefused);
  domain_.is_domain = true;
  domain_.running = false;
  EXPECT_EQ(StateAfter(DecidesTo(policy::Intervention::kPause)), ActionState::kRefused);
  EXPECT_EQ(domain_.Times("reset") + domain_.Times("pause"), 0u);
}

TEST_F(ActionDeskTest, NewMemoryNeedsNoInterventionForTheOld) {
  const auto row = DecidesTo(policy::Intervention::kReset);
  domain_.memory = RandomUuid();
  EXPECT_EQ(StateAfter(row), ActionState::kExpired);
  EXPECT_EQ(domain_.Times("reset"), 0u);
}

TEST_F(ActionDeskTest, AStartThatFailsIsTriedUntilTheVmRuns) {
  domain_.failing_starts = 2;
  const auto row = DecidesTo(policy::Intervention::kColdRestart);
  desk_->Take({row});
  // Each attempt is put off by the policy's clock.
  RunUntil([this] {
    clock_.Advance(std::chrono::milliseconds(5));
    return desk_->open() == 0;
  });
  EXPECT_EQ(Row().state, ActionState::kDone);
  EXPECT_TRUE(domain_.running);
  EXPECT_EQ(domain_.Times("start"), 3u);
  EXPECT_EQ(domain_.Times("stop"), 1u);
}

TEST_F(ActionDeskTest, AStartThatFailsToTheEndIsSaidToHaveFailed) {
  domain_.failing_starts = 1000000;
  desk_->Take({DecidesTo(policy::Intervention::kColdRestart)});
  RunUntil([this] {
    clock_.Advance(std::chrono::minutes(20));
    return desk_->open() == 0;
  });
  EXPECT_EQ(Row().state, ActionState::kFailed);
  EXPECT_EQ(desk_->counts().at({"cold_restart", "failed"}), 1u);
}

TEST_F(ActionDeskTest, WhileLibvirtIsOutOfReachNothingIsBegun) {
  domain_.reachable = false;
  desk_->Take({DecidesTo(policy::Intervention::kReset)});
  RunUntil([this] { return domain_.Times("look") >= 3; });
  EXPECT_EQ(Row().state, ActionState::kPending);
  domain_.reachable = true;
  RunUntilOver();
  EXPECT_EQ(Row().state, ActionState::kDone);
  EXPECT_EQ(domain_.Times("reset"), 1u);
}

// Dies at every call of a cold restart, before and after its effect: the next notifier brings the
// VM up in new memory, and nobody stops it twice.
TEST_F(ActionDeskTest, AColdRestartSurvivesADeathAtEveryStep) {
  std::size_t deaths = 0;
  for (const bool persistent : {true, false}) {
    for (const auto death : {FakeDomain::Death::kBeforeIt, FakeDomain::Death::kAfterIt}) {
      for (std::size_t at = 0; at < 3; ++at) {
        SCOPED_TRACE(testing::Message() << "call " << at << " death " << static_cast<int>(death)
                                        << " persistent " << persistent);
        domain_.persistent = persistent;
        domain_.may_restart_transient = true;
        domain_.calls.clear();
        const Uuid old = domain_.memory;
        const auto row = DecidesTo(policy::Intervention::kColdRestart);
        domain_.DieAt(at, death);
        desk_->Take({row});
        RunUntil([this] { return domain_.died(); });
        NotifierDies();
        ++deaths;
        NotifierStarts();
        RunUntil([this] { return Row().state == ActionState::kDone; });
        EXPECT_TRUE(domain_.running);
        EXPECT_NE(domain_.memory, old);
        EXPECT_EQ(domain_.Times("stop"), 1u);
        EXPECT_GE(domain_.Times("retire"), 1u);
        EXPECT_EQ(domain_.Times("retire other"), 0u);
      }
    }
  }
  EXPECT_EQ(deaths, 12u);
}

TEST_F(ActionDeskTest, AResetUnderWayAtADeathIsUnknownAndNotRepeated) {
  domain_.DieAt(1, FakeDomain::Death::kAfterIt);
  desk_->Take({DecidesTo(policy::Intervention::kReset)});
  RunUntil([this] { return domain_.died(); });
  NotifierDies();
  NotifierStarts();
  RunUntil([this] { return Row().state == ActionState::kUnknown; });
  EXPECT_EQ(domain_.Times("reset"), 1u);
  EXPECT_EQ(desk_->counts().at({"reset", "unknown"}), 1u);
}

TEST_F(ActionDeskTest, APauseUnderWayAtADeathIsJudgedByTheDomain) {
  for (const auto& [death, state] :
       {std::pair(FakeDomain::Death::kAfterIt, ActionState::kDone),
        std::pair(FakeDomain::Death::kBeforeIt, ActionState::kUnknown)}) {
    domain_.paused = false;
    domain_.calls.clear();
    const auto row = DecidesTo(policy::Intervention::kPause);
    domain_.DieAt(1, death);
    desk_->Take({row});
    RunUntil([this] { return domain_.died(); });
    NotifierDies();
    NotifierStarts();
    RunUntil([this, state = state] { return Row().state == state; });
    EXPECT_LE(domain_.Times("pause"), 1u);
  }
}

}  // namespace
}  // namespace seaward
