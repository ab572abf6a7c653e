// The VMM puts other memory where a bad page was, by itself: a page of this incarnation that is
// good.
#include <functional>

#include "host-notifier/app/heal_process_fixture.h"

namespace seaward {
namespace {

struct Change {
  const char* name;
  std::function<void(char* page, std::size_t size)> happens;
  friend void PrintTo(const Change& change, std::ostream* out) { *out << change.name; }
};

// The new frame is there before the old one is free: otherwise it may be the same one.
void Remap(char* page, std::size_t size) {
  void* const fresh = ::mmap(nullptr, size, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  ASSERT_EQ(page, ::mremap(fresh, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, page));
}

// What QEMU does for a page that the guest's balloon takes, and virtio-mem for one that it unplugs.
void Inflate(char* page, std::size_t size) {
  ASSERT_EQ(0, ::madvise(page, size, MADV_DONTNEED));
}

// The freed frame must not come back by chance: somebody holds free frames meanwhile.
void InflateAndDeflate(char* page, std::size_t size) {
  Inflate(page, size);
  constexpr std::size_t kTaken = 1 << 20;
  void* const others = ::mmap(nullptr, kTaken, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  page[0] = 1;
  ASSERT_EQ(0, ::munmap(others, kTaken));
}

class RemappedPage : public HealTest, public ::testing::WithParamInterface<Change> {
 protected:
  void GoesBadAndIsRetired() {
    NotifierServes("heal: off\n", nullptr);
    PageGoesBad();
    Until("the guest answers", [this] { return StatusOf("/vms/0/pages/0/life") == "retired"; });
  }
  void GuestReboots() {
    guest_.Reboot(protocol::testing::NumberedUuid(2));
    guest_.SayHello();
  }
  void PageIsCleared() {
    Until("the page is cleared",
          [this] { return Count("SELECT count(*) FROM page WHERE life = 'cleared'") == 1; });
    EXPECT_EQ(Count("SELECT count(*) FROM page"), 1);
    Until("nothing forbids to migrate",
          [this] { return StatusOf("/vms/0/migration/safe") == true; });
  }
};

TEST_P(RemappedPage, IsClearedAtTheNextBoot) {
  GoesBadAndIsRetired();
  GetParam().happens(memory_ + kPage, kPage);
  GuestReboots();
  PageIsCleared();
}

TEST_P(RemappedPage, IsClearedWhenTheVmmAttachesAgain) {
  GoesBadAndIsRetired();
  KillNotifier();
  GetParam().happens(memory_ + kPage, kPage);
  StartNotifier();
  PageIsCleared();
}

TEST_F(HealTest, APageInTheSameFrameIsToldAgainAtTheNextBoot) {
  NotifierServes("heal: off\n", nullptr);
  PageGoesBad();
  Until("the guest answers", [this] { return StatusOf("/vms/0/pages/0/life") == "retired"; });
  const std::size_t heard = guest_.entries_heard().size();
  guest_.Reboot(protocol::testing::NumberedUuid(2));
  guest_.SayHello();
  Until("the guest hears of it again", [&] { return guest_.entries_heard().size() > heard; });
  EXPECT_EQ(Count("SELECT count(*) FROM page WHERE life = 'cleared'"), 0);
}

INSTANTIATE_TEST_SUITE_P(ByTheVmm, RemappedPage,
                         ::testing::Values(Change{"Remapped", Remap}, Change{"Inflated", Inflate},
                                           Change{"Deflated", InflateAndDeflate}),
                         [](const auto& row) { return row.param.name; });

}  // namespace
}  // namespace seaward
