// Recorded and generated exits through the whole interposer.
#include "host-notifier/vmm/exit_play_fixture.h"

#include <gtest/gtest.h>

#include <charconv>
#include <random>

#include "host-notifier/vmm/vmm_fixture.h"

namespace seaward::vmm {
namespace {

// Words of KVM_EXIT_ARM_SEA as somebody wrote them down, and what becomes of them in mode auto.
struct Recorded {
  const char* source;
  const char* words;
  Injection injection;
};
constexpr Recorded kRecorded[] = {
    {"stock 7.3.4 kernel in the emulated host, a guest process reads poison",
     "flags=1 esr=92000010 gva=ffff94a00000 gpa=48048000", Injection::kKvm},
    {"the same, a stage-2 table that cannot be read", "flags=0 esr=92000017 gva=40412018 gpa=0",
     Injection::kExact},
    {"a tester's server: no valid address", "flags=0 esr=92000610 gva=0 gpa=0", Injection::kExact},
};

std::uint64_t Word(std::string_view words, std::string_view key) {
  const auto at = words.find(key);
  EXPECT_NE(at, std::string_view::npos) << key;
  std::uint64_t value = 0;
  std::from_chars(words.data() + at + key.size(), words.data() + words.size(), value, 16);
  return value;
}

RunStep StepOf(std::string_view words) {
  RunStep step = SeaAt(Word(words, "gpa="), Word(words, "esr="));
  step.sea.flags = Word(words, "flags=");
  step.sea.gva = Word(words, "gva=");
  return step;
}

using RecordedExits = InterposedVmm;

TEST_F(RecordedExits, AreAnsweredAsTheyAre) {
  for (const RegisterId id :
       {RegisterId::kPc, RegisterId::kPstate, RegisterId::kVbarEl1, RegisterId::kSctlrEl1,
        RegisterId::kIdAa64Pfr1El1, RegisterId::kEsrEl1, RegisterId::kFarEl1, RegisterId::kElrEl1,
        RegisterId::kSpsrEl1})
    kvm_.registers_[id] = 0;
  StartVm();
  for (const Recorded& recorded : kRecorded) {
    kvm_.registers_[RegisterId::kPstate] = 0;
    kvm_.steps_ = {StepOf(recorded.words), RunStep{}};
    EXPECT_EQ(Run(11), 0);
    const SeaExit& exit = sink().exits.back().second;
    EXPECT_EQ(exit.injection, recorded.injection) << recorded.source;
    EXPECT_EQ(exit.esr, Word(recorded.words, "esr=")) << recorded.source;
    EXPECT_FALSE(exit.walked) << recorded.source;
    const bool by_registers = kvm_.registers_[RegisterId::kEsrEl1] == exit.esr;
    EXPECT_EQ(by_registers, recorded.injection == Injection::kExact) << recorded.source;
  }
  EXPECT_EQ(sink().exits.size(), std::size(kRecorded));
  EXPECT_EQ(sink().failed_injections, 0);
}

TEST(GeneratedExits, NeverBreakARuleWhateverComes) {
  const std::uint32_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  std::uint64_t exits = 0;
  for (int round = 0; round < 300 && !testing::Test::HasFailure(); ++round) {
    std::vector<std::byte> script(400);
    for (std::byte& b : script) b = static_cast<std::byte>(random());
    ExitPlay play(script, [](bool holds, const char* rule) { EXPECT_TRUE(holds) << rule; });
    play.Play();
    exits += play.exits();
  }
  EXPECT_GT(exits, 300u) << "the scripts hardly play";
}

}  // namespace
}  // namespace seaward::vmm
