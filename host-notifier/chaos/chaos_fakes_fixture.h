// A VM, its notifier and its ledger as a few lines, for tests of the runner: time passes only while
// the runner sleeps.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "host-notifier/chaos/victim.h"

namespace seaward::chaos {

class FakeWaiting final : public Waiting {
 public:
  MonoTime Now() const override { return now_; }
  WallTime WallNow() const override {
    return WallTime(std::chrono::seconds(1'700'000'000)) + now_.time_since_epoch();
  }
  void Sleep(std::chrono::milliseconds duration) override {
    now_ += duration;
    if (on_sleep) on_sleep();
  }
  bool Interrupted() const override { return interrupted; }
  std::function<void()> on_sleep;
  bool interrupted = false;

 private:
  MonoTime now_{std::chrono::hours(1)};
};

// Takes news at once, retires a page `looks_to_verdict` looks after it was told.
class FakeHost final : public Victim, public Witness {
 public:
  struct Page {
    std::string life = "delivered";
    int looks = 0;
    std::uint64_t events = 0;
  };

  Status Pause() override { return Note("pause"); }
  Status Resume() override { return Note("resume"); }
  Status Reset() override {
    ++boot;
    for (auto& [gpa, page] : pages) page = {.life = "to_replay", .looks = 0, .events = page.events};
    return Note("reset");
  }
  Status Reboot() override { return Note("reboot"); }
  Status InjectInGuest(GuestPhysAddr page) override {
    return Note("inject " + FormatAddress(page.value));
  }
  Status KillAgent() override { return Note("kill_agent"); }
  Status RetireHostFrame(GuestPhysAddr page) override {
    return Note("host_frame " + FormatAddress(page.value));
  }

  Status Tell(GuestPhysAddr page, protocol::Evidence) override {
    if (away > 0) return Fail(ErrorCode::kClosed, "away");
    if (refuses) return Fail(ErrorCode::kInvalid, "not of this VM");
    if (forgets) return {};
    ++pages[page].events;
    return Note("tell " + FormatAddress(page.value));
  }
  Result<VmPicture> Look() override {
    if (away > 0 && away-- > 0) return Fail(ErrorCode::kClosed, "away");
    VmPicture picture{
        .session = "live", .boot_id = "boot" + std::to_string(boot), .lost = lost, .pages = {}};
    for (auto& [gpa, page] : pages) {
      if (++page.looks >= looks_to_verdict) page.life = "retired";
      picture.pages.push_back({ByteRange::Granule(gpa), page.life, page.life, 1500});
    }
    return picture;
  }
  Result<std::vector<LedgerRow>> ReadLedger() override {
    if (away > 0) return Fail(ErrorCode::kClosed, "away");
    std::vector<LedgerRow> rows;
    for (const auto& [gpa, page] : pages)
      rows.insert(rows.end(), twice ? 2 : 1,
                  LedgerRow{ByteRange::Granule(gpa), page.life, page.life, page.events, true});
    return rows;
  }
  Status Kill() override {
    away = 3;
    lost = 0;
    return Note("kill_notifier");
  }
  Status Restart() override { return Note("restart_notifier"); }

  std::vector<std::string> done;
  std::map<GuestPhysAddr, Page> pages;
  std::map<std::string, Error> cannot;  // acts that fail, by their first word
  int looks_to_verdict = 3;
  int boot = 1;
  int away = 0;  // looks that nobody answers
  std::uint64_t lost = 0;
  bool forgets = false;
  bool refuses = false;
  bool twice = false;

 private:
  Status Note(const std::string& act) {
    const auto error = cannot.find(act.substr(0, act.find(' ')));
    if (error != cannot.end()) return tl::unexpected<Error>(error->second);
    done.push_back(act);
    return {};
  }
};

}  // namespace seaward::chaos
