#include "host-notifier/app/domain_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace seaward {
namespace {

using observe::FindingState;
using testing::HasSubstr;

constexpr char kInterposer[] = "/lib/libseaward-preload.so";

DomainSetup Whole() {
  DomainSetup setup;
  setup.domain.has_channel = true;
  setup.domain.has_ghes = true;
  setup.uses_kvm = true;
  setup.preload = kInterposer;
  return setup;
}

const DomainLife kProtected{.running = true, .attached = true, .session = "live"};

bool EveryFile(const std::string&) {
  return true;
}

// "item:state item:state ..." without those that are ok.
std::string Wrong(const DomainSetup& setup, const DomainLife& life,
                  const FileExists& exists = EveryFile) {
  std::string words;
  for (const auto& finding : CheckDomain(setup, life, exists)) {
    EXPECT_FALSE(finding.text.empty()) << finding.item;
    if (finding.state == FindingState::kLacking) words += finding.item + ":lacking ";
    if (finding.state == FindingState::kNote) words += finding.item + ":note ";
  }
  return words;
}

std::string TextOf(const std::string& item, const DomainSetup& setup, const DomainLife& life) {
  for (const auto& finding : CheckDomain(setup, life, EveryFile))
    if (finding.item == item) return finding.text;
  return {};
}

TEST(DomainCheck, AWholeDomainLacksNothing) {
  EXPECT_EQ(Wrong(Whole(), kProtected), "");
}

TEST(DomainCheck, AnOrdinaryRunningDomainLacksEverything) {
  EXPECT_EQ(Wrong(DomainSetup{}, {.running = true}),
            "accelerator:lacking channel:lacking preload:lacking attached:lacking agent:lacking "
            "ghes:note ");
}

TEST(DomainCheck, ADomainThatDoesNotRunIsJudgedByItsXml) {
  EXPECT_EQ(Wrong(Whole(), {}), "attached:note agent:note ");
}

TEST(DomainCheck, PreloadIsFoundAmongOthersAndMustExist) {
  DomainSetup setup = Whole();
  setup.preload = "/lib/other.so " + std::string(kInterposer) + ":/lib/third.so";
  EXPECT_EQ(Wrong(setup, kProtected), "");
  const auto missing = [](const std::string& path) { return path != kInterposer; };
  EXPECT_EQ(Wrong(setup, kProtected, missing), "preload:lacking ");
  setup.preload = "/lib/libseaward-preload.so.disabled";
  EXPECT_EQ(Wrong(setup, {.running = true, .session = "live"}),
            "preload:lacking attached:lacking ");
}

TEST(DomainCheck, AWrapperOrAVmmThatAttachesByItselfNeedsNoPreload) {
  DomainSetup setup = Whole();
  setup.preload.clear();
  EXPECT_EQ(Wrong(setup, kProtected), "");
  setup.emulator = "/usr/bin/qemu-system-aarch64";
  EXPECT_EQ(Wrong(setup, {}), "preload:lacking attached:note agent:note ");
  setup.emulator = "/usr/libexec/seaward-qemu";
  EXPECT_EQ(Wrong(setup, {}), "attached:note agent:note ");
}

TEST(DomainCheck, ASilentAgentIsNamedWithItsSession) {
  EXPECT_THAT(TextOf("agent", Whole(), {.running = true, .attached = true, .session = "calling"}),
              HasSubstr("calling"));
  EXPECT_EQ(Wrong(Whole(), {.running = true, .attached = true, .session = "probing"}), "");
}

TEST(DomainCheck, NotesEveryTraitOfTheMemory) {
  DomainSetup setup = Whole();
  setup.backing = {BackingTrait::kHugePages, BackingTrait::kShared, BackingTrait::kLocked,
                   BackingTrait::kPersistent, BackingTrait::kPassthrough};
  EXPECT_EQ(Wrong(setup, kProtected), "backing:note ");
  for (const char* word : {"huge pages", "shared", "locked", "persistent", "passthrough"})
    EXPECT_THAT(TextOf("backing", setup, kProtected), HasSubstr(word));
}

TEST(DomainCheck, TheRecipeSaysWhatIsThereAlready) {
  const RecipeOptions options{
      .channel_name = "org.seaward.agent.0", .preload_library = kInterposer, .attach_socket = ""};
  for (const auto& part : RecipeFor(Whole(), options)) EXPECT_TRUE(part.present) << part.name;
  const auto parts = RecipeFor(DomainSetup{}, options);
  ASSERT_EQ(parts.size(), 2u);
  EXPECT_FALSE(parts[0].present);
  EXPECT_FALSE(parts[1].present);
  EXPECT_THAT(parts[0].xml, HasSubstr("org.seaward.agent.0"));
  EXPECT_THAT(parts[1].xml, HasSubstr(kInterposer));
}

TEST(DomainCheck, OfAStaticVmOnlyItsLifeIsKnown) {
  EXPECT_EQ(CheckStaticVm(kProtected).size(), 2u);
  observe::DomainReport report;
  report.findings = CheckStaticVm({.running = true, .session = "live"});
  EXPECT_FALSE(report.complete());
  report.findings = CheckStaticVm(kProtected);
  EXPECT_TRUE(report.complete());
}

}  // namespace
}  // namespace seaward
