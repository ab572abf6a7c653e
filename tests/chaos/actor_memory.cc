// Steps in which memory goes bad.
#include <set>

#include "tests/chaos/actor.h"

namespace seaward::chaos {
namespace {

using Json = testing::GuestShell::Json;

constexpr std::uint64_t kHugePage = 64U << 10;
constexpr std::size_t kBurst = 64;
// More than a lane holds (vmm/ring_format.h).
constexpr std::size_t kFlood = 160;
constexpr char kHugePages[] = "/sys/kernel/mm/hugepages/hugepages-64kB/nr_hugepages";

struct Run {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
};

Result<Run> LargestFreeRun(Machines& machines) {
  auto reply = machines.AskGuest("free_frames");
  if (!reply) return Forward(reply);
  Run largest;
  for (const auto& range : (*reply)["ranges"]) {
    const auto first = ParseAddress(range[0].get<std::string>());
    const auto last = ParseAddress(range[1].get<std::string>());
    if (first && last && *last - *first > largest.last - largest.first) largest = {*first, *last};
  }
  if (largest.last == 0) return Fail(ErrorCode::kNotFound, "no free frames");
  return largest;
}

// A page of the run by chance, the last `room` bytes left out.
GuestPhysAddr PageIn(const Run& run, std::uint64_t room, Dice& dice) {
  const std::uint64_t pages = (run.last + 1 - run.first - room) / kPoisonGranule;
  return {run.first + dice.Below(pages) * kPoisonGranule};
}

}  // namespace

Status Actor::DoToMemory(StepKind kind, Dice& dice) {
  switch (kind) {
    case StepKind::kPoisonFree:
      return GoBad(PickFree(dice.Between(1, 3), dice), static_cast<std::uint32_t>(dice.Below(3)));
    case StepKind::kPoisonUser:
      return GoBad(PagesOfProcess("anonymous", dice.Between(1, 3)));
    case StepKind::kPoisonPageCache:
      return GoBad(PagesOfProcess("tmpfs", dice.Between(1, 3)));
    case StepKind::kPoisonHugetlb: {
      // Four in reserve, of which bad ones do not come back.
      auto reserved = machines_.AskGuest("write", {{"path", kHugePages}, {"text", "4"}});
      if (!reserved) return Forward(reserved);
      auto pages = PagesOfProcess("hugetlb", 1);
      // Others may have them all: then there is nothing to go bad.
      return pages ? GoBad(pages) : Status();
    }
    case StepKind::kPoisonKernelText:
    case StepKind::kPoisonSlab:
      return GoBadOfKernel(kind, dice);
    case StepKind::kPoisonBurst:
      return GoBad(PagesOfProcess("anonymous", kBurst));
    case StepKind::kPoisonAgain:
      return GoBadAgain(dice);
    case StepKind::kReportRange:
      return ReportRange(dice);
    case StepKind::kReportPredicted:
      return ReportPredicted(dice);
    case StepKind::kFlood:
      return Flood(dice);
    default:
      return Fail(ErrorCode::kInvalid, "no step of memory");
  }
}

Result<Actor::Pages> Actor::PickFree(std::size_t count, Dice& dice) {
  auto run = LargestFreeRun(machines_);
  if (!run) return Forward(run);
  Pages pages;
  std::set<GuestPhysAddr> taken;
  for (std::size_t tries = 0; pages.size() < count && tries < 20 * count; ++tries) {
    const GuestPhysAddr page = PageIn(*run, 0, dice);
    if (book_.Touches(ByteRange::Granule(page)) || !taken.insert(page).second) continue;
    pages.push_back(page);
  }
  return pages;
}

Result<Actor::Pages> Actor::PagesOfProcess(const char* memory, std::size_t pages) {
  auto reply = machines_.AskGuest("victim_start", {{"pages", pages}, {"memory", memory}});
  if (!reply) return Forward(reply);
  Pages found;
  for (const auto& text : (*reply)["pages"]) {
    const auto address = ParseAddress(text.get<std::string>());
    if (address) found.push_back({*address});
  }
  return found;
}

Status Actor::GoBad(const Result<Pages>& pages, std::uint32_t vcpu) {
  if (!pages) return tl::unexpected<Error>(pages.error());
  tally_.poisons += pages->size();
  const auto fates = machines_.Consume(*pages, vcpu);
  if (!fates) return tl::unexpected<Error>(fates.error());
  for (std::size_t i = 0; i < pages->size(); ++i) {
    if ((*fates)[i] == Fate::kTaken) book_.Consumed(ByteRange::Granule((*pages)[i]));
    if ((*fates)[i] == Fate::kLost) ++tally_.losses_counted;
  }
  return {};
}

Status Actor::GoBadAgain(Dice& dice) {
  if (book_.facts().empty()) return {};
  const Fact& fact = book_.facts()[dice.Below(book_.facts().size())];
  return GoBad(Pages(dice.Between(1, 5), fact.range.start()));
}

Status Actor::GoBadOfKernel(StepKind kind, Dice& dice) {
  if (kind == StepKind::kPoisonSlab) {
    auto reply = machines_.AskGuest("find_frame", {{"flag", "SLAB"}, {"skip", dice.Word()}});
    if (!reply) return Forward(reply);
    auto page = ParseAddress((*reply)["at"].get<std::string>());
    return page ? GoBad(Pages{{*page}}) : Forward(page);
  }
  if (auto runs = machines_.LetGuestRun(); !runs) return runs;
  auto text = machines_.guest().FindInIomem("Kernel code");
  if (!text) return Forward(text);
  // The first megabytes are text on every kernel.
  const std::uint64_t offset = dice.Below(512) * kPoisonGranule;
  return GoBad(Pages{{(text->value & ~(kPoisonGranule - 1)) + offset}});
}

Status Actor::ReportRange(Dice& dice) {
  auto run = LargestFreeRun(machines_);
  if (!run) return Forward(run);
  const std::uint64_t length = dice.Between(2, 16) * kPoisonGranule;
  if (run->last + 1 - run->first <= 2 * length) return {};
  const auto range = ByteRange::Make(PageIn(*run, length, dice), length);
  if (!range || book_.Touches(*range)) return {};
  tally_.poisons += length / kPoisonGranule;
  if (machines_.Report(*range, "latent") == Fate::kTaken) book_.Consumed(*range);
  return {};
}

Status Actor::ReportPredicted(Dice& dice) {
  auto pages = dice.Below(2) == 0 ? PickFree(1, dice) : PagesOfProcess("anonymous", 1);
  if (!pages) return Forward(pages);
  for (const GuestPhysAddr page : *pages) {
    ++tally_.poisons;
    const ByteRange range = ByteRange::Granule(page);
    if (machines_.Report(range, "predicted") == Fate::kTaken) book_.Predicted(range);
  }
  return {};
}

Status Actor::Flood(Dice& dice) {
  auto pages = PickFree(kFlood, dice);
  const bool heard = machines_.notifier_hears();
  if (heard) machines_.StopNotifier();
  auto done = GoBad(pages);
  if (heard) machines_.ContinueNotifier();
  return done;
}

}  // namespace seaward::chaos
