// A kernel's physical memory as the tests need it: answers kpageflags, iomem and the two offline
// files the way a real arm64 kernel was measured to (VERDICTS.md).
#pragma once

#include <cerrno>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "guest-agent/pages/guest_memory.h"
#include "guest-agent/retire/page_offliner.h"
#include "guest-agent/retire/page_retirer.h"

namespace seaward::agent {

// Of an agent whose attempts nobody has to know later.
class NoRecord final : public AttemptRecord {
 public:
  void Attempting(const ByteRange&, Verb, protocol::PageKind) override {}
  void Concluded(const ByteRange&, const PageVerdict&) override {}
};

class FakeKernel final : public GuestMemory, public PageOffliner {
 public:
  enum class Use {
    kFree,
    kAnonymous,
    kCleanFile,
    kHugetlb,  // every frame of it; the head is flagged
    kHugetlbMapped,
    kHugetlbTail,
    kSlab,
    kCompoundSlab,
    kPageTable,
    kKernelText,
    kKernelPlain,  // an allocation of the kernel without a telling flag
    kPinned,       // a process's page that a driver holds on to: given up late
    kOffline,      // a memory block that is offline
    kWithheld,
    kNotRam,
  };
  struct Write {
    Verb verb;
    GuestPhysAddr address;
    bool operator==(const Write&) const = default;
  };

  explicit FakeKernel(PageSize size = {}) : size_(size) {}

  void Holds(GuestPhysAddr page, Use use) { pages_[page.value / size_.bytes].use = use; }
  void ShowsNoPage(GuestPhysAddr page) { pages_[page.value / size_.bytes].no_page = true; }
  // The same page, used otherwise; its flag stays.
  void NowHolds(GuestPhysAddr page, Use use) { Holds(page, use); }
  // Plugged anew, or put back to an earlier moment: the kernel has forgotten.
  void Forgets(GuestPhysAddr page) { pages_[page.value / size_.bytes] = Page{}; }
  void Flags(GuestPhysAddr page) { pages_[page.value / size_.bytes].flagged = true; }
  void DisableSoftOffline() { soft_enabled_ = false; }
  void HideKpageflags() { kpageflags_ = false; }
  void HideIomem() { iomem_ = false; }
  // Answers the next write with this errno and does nothing.
  void RefuseNext(int sys_errno) { refusals_.push_back(sys_errno); }
  void OnWrite(std::function<void()> hook) { on_write_ = std::move(hook); }

  const std::vector<Write>& writes() const { return writes_; }
  int layouts_read() const { return layouts_read_; }

  Result<PageFlags> FlagsOf(PageFrame frame) override {
    if (!kpageflags_) return Fail(ErrorCode::kUnsupported, "no kpageflags");
    // Past the last frame of the machine kpageflags ends.
    if (frame.number * size_.bytes >= kRamEnd) return PageFlags{}.With(PageFlag::kNoPage);
    return FlagsFor(PageAt(frame.number));
  }

  Result<MemoryLayout> ReadLayout() override {
    ++layouts_read_;
    if (!iomem_) return Fail(ErrorCode::kDenied, "no iomem");
    return MemoryLayout::Parse(Iomem());
  }

  int TakeOffline(Verb verb, GuestPhysAddr address) override {
    writes_.push_back(Write{verb, address});
    if (on_write_) on_write_();
    if (!refusals_.empty()) {
      const int refusal = refusals_.front();
      refusals_.erase(refusals_.begin());
      return refusal;
    }
    Page& page = pages_.try_emplace(address.value / size_.bytes).first->second;
    return verb == Verb::kHard ? HardOffline(page) : SoftOffline(page);
  }

 private:
  struct Page {
    Use use = Use::kFree;
    bool flagged = false;
    bool no_page = false;
  };
  static constexpr std::uint64_t kRamStart = 0x40000000;
  static constexpr std::uint64_t kRamEnd = 0x60000000;

  Page PageAt(std::uint64_t number) const {
    if (const auto it = pages_.find(number); it != pages_.end()) return it->second;
    const std::uint64_t address = number * size_.bytes;
    return Page{address >= kRamStart && address < kRamEnd ? Use::kFree : Use::kNotRam};
  }

  PageFlags FlagsFor(const Page& page) const {
    const PageFlags flags = page.no_page ? PageFlags{} : UseFlags(page.use);
    return page.flagged ? flags.With(PageFlag::kHwpoison) : flags;
  }

  static PageFlags UseFlags(Use use) {
    const PageFlags none;
    switch (use) {
      case Use::kFree:
        return none.With(PageFlag::kBuddy);
      case Use::kAnonymous:
      case Use::kPinned:
        return none.With(PageFlag::kAnonymous).With(PageFlag::kLru).With(PageFlag::kMapped);
      case Use::kCleanFile:
        return none.With(PageFlag::kLru);
      case Use::kHugetlb:
        return none.With(PageFlag::kHugetlb).With(PageFlag::kCompoundHead);
      case Use::kHugetlbMapped:
        return UseFlags(Use::kHugetlb).With(PageFlag::kMapped).With(PageFlag::kAnonymous);
      case Use::kHugetlbTail:
        return none.With(PageFlag::kHugetlb).With(PageFlag::kCompoundTail);
      case Use::kSlab:
        return none.With(PageFlag::kSlab);
      case Use::kCompoundSlab:
        return none.With(PageFlag::kSlab).With(PageFlag::kCompoundTail);
      case Use::kPageTable:
        return none.With(PageFlag::kPageTable);
      case Use::kKernelText:
      case Use::kWithheld:
        return none.With(PageFlag::kReserved);
      case Use::kKernelPlain:
      case Use::kOffline:  // as Linux 7.3 shows frames without a page
      case Use::kNotRam:
        return none;
    }
    return none;
  }

  int HardOffline(Page& page) {
    if (page.use == Use::kOffline || page.use == Use::kNotRam) return ENXIO;
    if (page.flagged) return EHWPOISON;
    page.flagged = true;
    switch (page.use) {
      case Use::kSlab:
      case Use::kCompoundSlab:
      case Use::kPageTable:
      case Use::kKernelText:
      case Use::kKernelPlain:
      case Use::kWithheld:
        return EBUSY;
      case Use::kPinned:
        page.use = Use::kKernelPlain;  // unmapped and off the lists, yet refused
        return EBUSY;
      default:
        if (!KindIsHuge(page.use)) page.use = Use::kKernelPlain;  // off every list
        return 0;
    }
  }

  static bool KindIsHuge(Use use) {
    return use == Use::kHugetlb || use == Use::kHugetlbMapped || use == Use::kHugetlbTail;
  }

  int SoftOffline(Page& page) {
    if (!soft_enabled_) return EOPNOTSUPP;
    if (page.use == Use::kOffline || page.use == Use::kNotRam) return ENXIO;
    if (page.flagged) return 0;
    if (!Reclaimable(KindOf(UseFlags(page.use)))) return ENOTRECOVERABLE;
    page = Page{Use::kKernelPlain, true};
    return 0;
  }

  // RAM with a hole of one page for every withheld or absent one.
  std::string Iomem() const {
    std::string text = "00000000-03ffffff : 0.flash flash@0\n";
    std::uint64_t at = kRamStart;
    char line[96];
    const auto ram_until = [&](std::uint64_t end) {
      if (at < end)
        std::snprintf(line, sizeof line, "%08llx-%08llx : System RAM\n",
                      static_cast<unsigned long long>(at),
                      static_cast<unsigned long long>(end - 1));
      if (at < end) text += line;
    };
    for (const auto& [number, page] : pages_) {
      if (page.use != Use::kWithheld && page.use != Use::kNotRam) continue;
      const std::uint64_t address = number * size_.bytes;
      if (address < kRamStart || address >= kRamEnd) continue;
      ram_until(address);
      at = address + size_.bytes;
      if (page.use != Use::kWithheld) continue;
      std::snprintf(line, sizeof line, "%08llx-%08llx : reserved\n",
                    static_cast<unsigned long long>(address),
                    static_cast<unsigned long long>(at - 1));
      text += line;
    }
    ram_until(kRamEnd);
    return text;
  }

  PageSize size_;
  std::map<std::uint64_t, Page> pages_;
  std::vector<Write> writes_;
  std::vector<int> refusals_;
  std::function<void()> on_write_;
  int layouts_read_ = 0;
  bool soft_enabled_ = true;
  bool kpageflags_ = true;
  bool iomem_ = true;
};

}  // namespace seaward::agent
