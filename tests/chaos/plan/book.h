// What a schedule has done to the memory of the running guest, and therefore what must be true. It
// knows nothing of what the code under test says. Pure.
#pragma once

#include <cstdint>
#include <vector>

#include "base/units.h"

namespace seaward::chaos {

// One place that went bad; those of one memory never overlap.
struct Fact {
  ByteRange range = ByteRange::Granule({});
  bool predicted = false;    // corrected errors: the next boot may use it again
  bool lied_about = false;   // the guest said something untrue in this boot
  bool before_boot = false;  // on record when this boot began, beside a notifier that answered
};

class Book {
 public:
  // Told to the notifier, or to its ring, and not turned down. What is known is not noted twice.
  void Consumed(const ByteRange& range);
  void Predicted(const ByteRange& range);
  void LiedAbout(const ByteRange& range);
  // A boot begins. `on_record`: whether the notifier has the place, and can answer the guest.
  template <class OnRecord>
  void NewBoot(OnRecord&& on_record) {
    std::erase_if(facts_, [](const Fact& fact) { return fact.predicted; });
    for (Fact& fact : facts_) {
      fact.lied_about = false;
      fact.before_boot = on_record(fact);
    }
  }
  // Another memory: nothing of what was is bad in it.
  void NewMemory();

  // Bad now, or in an earlier memory of this guest.
  bool Touches(const ByteRange& range) const;
  const std::vector<Fact>& facts() const { return facts_; }
  // Start of every place of the guest's earlier memories that is not bad in this one.
  const std::vector<GuestPhysAddr>& once_bad() const { return once_bad_; }

 private:
  bool Knows(const ByteRange& range) const;
  std::vector<Fact> facts_;
  std::vector<GuestPhysAddr> once_bad_;
};

}  // namespace seaward::chaos
