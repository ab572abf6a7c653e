// Every write of the ledger and every change of a page's life as one small play: how the ledger
// comes to stand there, and the one call that is looked at. Deterministic: the same play leaves the
// same bytes in every row.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/fake_clock.h"
#include "host-notifier/classify/classify.h"
#include "host-notifier/ledger/ledger.h"
#include "host-notifier/ledger/ledger_fixture.h"
#include "host-notifier/ledger/sqlite.h"

namespace seaward::ledger {

inline constexpr std::uint64_t kCasePage = 0x48048000;

// What the calls of a play share.
struct CaseStage {
  Ledger& ledger;
  FakeClock& clock;
  Uuid incarnation;
  std::uint64_t page = 0;
};

struct LedgerCase {
  std::string name;
  std::function<Status(CaseStage&)> act;
  PageLife from = PageLife::kReported;  // of the one page, when act begins
  protocol::Evidence evidence = protocol::Evidence::kConsumed;
  Uuid host_boot = kHostBoot;  // when act begins
};

inline PoisonEvent CaseEvent(const FakeClock& clock, protocol::Evidence evidence) {
  PoisonEvent event;
  event.range = ByteRange::Granule(GuestPhysAddr{kCasePage});
  event.location = Location::kLocated;
  event.evidence = evidence;
  event.when = clock.Now();
  event.wall = clock.WallNow();
  event.hva = HostVirtAddr{0x7f0000000000};
  return event;
}

inline AuditRow CaseAudit(const FakeClock& clock) {
  AuditRow row;
  row.when = clock.WallNow();
  row.reason = "maintenance";
  return row;
}

inline Status Answer(CaseStage& at, protocol::Outcome outcome) {
  protocol::VerdictRecord record;
  record.id = at.page;
  record.range = ByteRange::Granule(GuestPhysAddr{kCasePage});
  record.outcome = outcome;
  auto recorded = at.ledger.RecordVerdict(at.incarnation, kGuestBoot1, record, at.clock.Now());
  if (!recorded) return Forward(recorded);
  return {};
}

template <class T>
Status Bare(Result<T> result) {
  if (!result) return Forward(result);
  return {};
}

inline Status Deliver(CaseStage& at) {
  return at.ledger.RecordDelivered(std::vector{at.page});
}

// The call that brings `event` to the page.
inline Status Bring(CaseStage& at, PageEvent event) {
  switch (event) {
    case PageEvent::kSeenAgain:
      return Bare(at.ledger.RecordEvent(
          at.incarnation, CaseEvent(at.clock, protocol::Evidence::kConsumed), std::nullopt));
    case PageEvent::kDelivered:
      return Deliver(at);
    case PageEvent::kVerdictRetired:
      return Answer(at, protocol::Outcome::kRetired);
    case PageEvent::kVerdictExcluded:
      return Answer(at, protocol::Outcome::kExcludedBeforeBoot);
    case PageEvent::kVerdictDeferred:
      return Answer(at, protocol::Outcome::kDeferred);
    case PageEvent::kVerdictFailed:
      return Answer(at, protocol::Outcome::kInKernel);
    case PageEvent::kNewBoot:
    case PageEvent::kNewBootForgets:
      return Bare(at.ledger.BeginBoot(at.incarnation, kGuestBoot2));
    case PageEvent::kClear:
      return Bare(at.ledger.ClearPages(at.incarnation, ByteRange::Granule(GuestPhysAddr{kCasePage}),
                                       CaseAudit(at.clock)));
    case PageEvent::kIncarnationEnds:
      return at.ledger.EndIncarnation(at.incarnation);
    case PageEvent::kIncarnationContinues:
      return Bare(at.ledger.BeginIncarnation(kVm, kVmm));
  }
  return Fail(ErrorCode::kInvalid, "no such event");
}

// From `reported`, by one call or two.
inline Status BringTo(CaseStage& at, PageLife life) {
  switch (life) {
    case PageLife::kReported:
      return {};
    case PageLife::kDelivered:
      return Bring(at, PageEvent::kDelivered);
    case PageLife::kRetired:
      return Bring(at, PageEvent::kVerdictRetired);
    case PageLife::kExcluded:
      return Bring(at, PageEvent::kVerdictExcluded);
    case PageLife::kDeferred:
      return Bring(at, PageEvent::kVerdictDeferred);
    case PageLife::kFailed:
      return Bring(at, PageEvent::kVerdictFailed);
    case PageLife::kToReplay:
      if (auto done = Bring(at, PageEvent::kIncarnationEnds); !done) return done;
      return Bring(at, PageEvent::kIncarnationContinues);
    case PageLife::kCleared:
      return Bring(at, PageEvent::kClear);
    case PageLife::kClosed:
      return Bring(at, PageEvent::kIncarnationEnds);
  }
  return Fail(ErrorCode::kInvalid, "no such life");
}

inline std::vector<LedgerRecord> RecordsOfAnotherLedger() {
  const std::string vm = "11111111-0000-4000-8000-000000000001";
  const std::string life = "11111111-0000-4000-8000-000000000002";
  const std::string boot = "11111111-0000-4000-8000-000000000003";
  const auto number = [](std::int64_t value) { return FieldValue(value); };
  const auto text = [](const char* value) { return FieldValue(std::string(value)); };
  const FieldValue none;
  return {{RecordKind::kVm, {vm, text("imported"), number(0)}},
          {RecordKind::kIncarnation,
           {life, vm, boot, number(7), number(8), number(9), number(10), boot, number(1),
            text("applied"), number(1), number(3), number(2)}},
          {RecordKind::kPage,
           {number(1),
            life,
            number(0x9000),
            number(4096),
            text("consumed"),
            text("retired"),
            number(1),
            number(5),
            number(6),
            number(6),
            number(1),
            none,
            text("no"),
            number(0),
            text("retired"),
            none,
            none,
            number(0),
            number(70),
            text("gpa"),
            none,
            text("no"),
            text(""),
            none,
            text("early")}}};
}

// One for every write.
inline std::vector<LedgerCase> WriteCases() {
  std::vector<LedgerCase> cases;
  const auto add = [&](const char* name, std::function<Status(CaseStage&)> act) {
    cases.push_back({.name = name, .act = std::move(act)});
  };
  cases.push_back({.name = "open after a reboot of the host",
                   .act = [](CaseStage&) { return Status(); },
                   .host_boot = kGuestBoot2});
  add("begin_incarnation", [](CaseStage& at) {
    return Bare(at.ledger.BeginIncarnation(kVm, {4712, 1}));
  });
  add("end_incarnation", [](CaseStage& at) { return at.ledger.EndIncarnation(at.incarnation); });
  add("begin_boot", [](CaseStage& at) { return Bring(at, PageEvent::kNewBoot); });
  add("reserve_page_ids", [](CaseStage& at) { return Bare(at.ledger.ReservePageIds(64)); });
  add("record_event", [](CaseStage& at) { return Bring(at, PageEvent::kSeenAgain); });
  add("record_delivered", [](CaseStage& at) { return Deliver(at); });
  add("record_verdict", [](CaseStage& at) { return Answer(at, protocol::Outcome::kRetired); });
  add("record_host_retirement",
      [](CaseStage& at) { return at.ledger.RecordHostRetirement(at.page, HostRetired::kYes, 0); });
  add("record_heal",
      [](CaseStage& at) { return Bare(at.ledger.RecordHeal(at.page, HealState::kHealed, "")); });
  add("record_alarm",
      [](CaseStage& at) { return Bare(at.ledger.RecordAlarm(kVm, AlarmKind::kUnattached, true)); });
  add("clear_pages", [](CaseStage& at) { return Bring(at, PageEvent::kClear); });
  add("record_audit", [](CaseStage& at) { return at.ledger.RecordAudit(CaseAudit(at.clock)); });
  add("record_claims", [](CaseStage& at) {
    const protocol::KnownRecord claim{ByteRange::Granule(GuestPhysAddr{2 * kCasePage}),
                                      protocol::Evidence::kLatent, true};
    return Bare(at.ledger.RecordClaims(at.incarnation, kGuestBoot1, {{claim}, true}));
  });
  add("record_losses", [](CaseStage& at) {
    const protocol::Loss loss{
        at.page, ByteRange::Granule(GuestPhysAddr{kCasePage}), kPoisonGranule, 77, "db", "/db"};
    return Bare(at.ledger.RecordLosses(at.incarnation, kGuestBoot1, {{loss}}));
  });
  add("record_before_kernel", [](CaseStage& at) {
    return at.ledger.RecordBeforeKernel(at.incarnation, kGuestBoot1,
                                        {protocol::ListResult::kApplied, 1, 9, 9});
  });
  add("import", [](CaseStage& at) {
    ImportSession session;
    return Bare(at.ledger.Import(session, RecordsOfAnotherLedger()));
  });
  LedgerCase retain{.name = "retain", .act = [](CaseStage& at) {
                      at.clock.Advance(std::chrono::hours(1));
                      const WallTime now = at.clock.WallNow();
                      return Bare(at.ledger.Retain({now, now, now}));
                    }};
  retain.from = PageLife::kClosed;
  cases.push_back(std::move(retain));
  return cases;
}

// One for every cell of the table in page_life.h that changes a life.
inline std::vector<LedgerCase> LifeCases() {
  std::vector<LedgerCase> cases;
  for (const LifeChange& change : AllLifeChanges()) {
    LedgerCase play;
    play.name = std::string(ToString(change.from)) + " on " + std::string(ToString(change.event));
    play.act = [event = change.event](CaseStage& at) { return Bring(at, event); };
    play.from = change.from;
    if (change.event == PageEvent::kNewBootForgets) play.evidence = protocol::Evidence::kPredicted;
    cases.push_back(std::move(play));
  }
  return cases;
}

class LedgerCases : public testing::Test {
 protected:
  LedgerCases() {
    std::string pattern = "/tmp/swlc.XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
  }
  ~LedgerCases() override { std::filesystem::remove_all(folder_); }

  std::string Path(const std::string& scene) const { return folder_ + "/" + scene + "/ledger.db"; }

  // A closed ledger in which `play.act` may begin.
  void SetScene(const std::string& scene, const LedgerCase& play) {
    std::filesystem::remove_all(folder_ + "/" + scene);
    std::filesystem::create_directory(folder_ + "/" + scene);
    FakeClock clock;
    auto opened = Ledger::Open(Path(scene), kHostBoot, clock);
    ASSERT_TRUE(opened) << opened.error().Text();
    Ledger& ledger = *opened->ledger;
    auto life = ledger.BeginIncarnation(kVm, kVmm);
    ASSERT_TRUE(life);
    ASSERT_TRUE(ledger.BeginBoot(life->id, kGuestBoot1));
    MakeItAReplacement(Path(scene));
    auto recorded =
        ledger.RecordEvent(life->id, CaseEvent(clock, play.evidence), PageFrame{0x4711});
    ASSERT_TRUE(recorded) << recorded.error().Text();
    CaseStage at{ledger, clock, life->id, recorded->entry->id};
    // What waits for retirement in the host is never dropped.
    ASSERT_TRUE(ledger.RecordHostRetirement(at.page, HostRetired::kRefused, 16));
    const auto brought = BringTo(at, play.from);
    ASSERT_TRUE(brought) << brought.error().Text();
    page_ = at.page;
    incarnation_ = at.incarnation;
    ASSERT_EQ(ledger.View().Page(at.page)->life, play.from);
  }
  // The ledger before this one was corrupt; the guest is still to be asked.
  static void MakeItAReplacement(const std::string& path) {
    auto database = Database::Open(path);
    ASSERT_TRUE(database) << database.error().Text();
    ASSERT_TRUE(
        database->Execute("INSERT INTO rebuild(wall_ns, set_aside, why) VALUES(1, '/old', 'torn');"
                          "INSERT INTO recall(incarnation) SELECT id FROM incarnation"));
  }
  void CopyScene(const std::string& from, const std::string& to) {
    std::filesystem::remove_all(folder_ + "/" + to);
    std::filesystem::copy(folder_ + "/" + from, folder_ + "/" + to);
  }
  // Opens the ledger of the scene and does the one thing.
  Status Play(const std::string& scene, const LedgerCase& play, LedgerProbe* probe) {
    FakeClock clock;
    clock.Advance(std::chrono::seconds(1));
    auto opened = Ledger::Open(Path(scene), play.host_boot, clock, {}, probe);
    if (!opened) return Forward(opened);
    if (opened->set_aside) return Fail(ErrorCode::kCorrupt, "set aside: " + opened->why);
    CaseStage at{*opened->ledger, clock, incarnation_, page_};
    return play.act(at);
  }
  // Every row of every table, as SQLite's own text; after SQLite's own recovery and check.
  std::string RowsOf(const std::string& scene) {
    auto database = Database::Open(Path(scene));
    if (!database) return database.error().Text();
    const auto sound = database->Ask("PRAGMA integrity_check");
    if (!sound || *sound != "ok") return "not sound";
    std::string rows;
    const std::string tables =
        database
            ->Ask(
                "SELECT group_concat(name) FROM (SELECT name FROM sqlite_schema "
                "WHERE type = 'table' ORDER BY name)")
            .value();
    for (std::size_t at = 0; at < tables.size();) {
      const std::size_t end = std::min(tables.find(',', at), tables.size());
      const std::string table = tables.substr(at, end - at);
      at = end + 1;
      const auto columns = database->Ask(
          "SELECT group_concat('quote(' || name || ')', '||''|''||') "
          "FROM pragma_table_info('" +
          table + "')");
      rows += table + ":\n" +
              database
                  ->Ask("SELECT coalesce(group_concat(r, char(10)), '') FROM (SELECT " + *columns +
                        " AS r FROM " + table + " ORDER BY 1)")
                  .value() +
              "\n";
    }
    return rows;
  }

  std::string folder_;
  std::uint64_t page_ = 0;
  Uuid incarnation_;
};

}  // namespace seaward::ledger
