#include "host-notifier/libvirt/domain_setup.h"

#include <gtest/gtest.h>

#include <string>

namespace seaward {
namespace {

constexpr char kChannel[] = "org.seaward.agent.0";

std::string Domain(const std::string& inside, const std::string& devices = "") {
  return "<domain type='kvm' xmlns:q='x'><name>web1</name>"
         "<uuid>4752b4d4-3c01-46c4-ba2c-ef1d19b32cc8</uuid>" +
         inside + "<devices>" + devices + "</devices></domain>";
}

TEST(DomainSetup, AnOrdinaryDomainHasNothingOfOurs) {
  const auto setup =
      ParseDomainSetup(Domain("", "<emulator>/usr/bin/qemu-system-aarch64</emulator>"), kChannel);
  ASSERT_TRUE(setup) << setup.error().Text();
  EXPECT_EQ(setup->domain.name, "web1");
  EXPECT_FALSE(setup->domain.has_channel);
  EXPECT_TRUE(setup->uses_kvm);
  EXPECT_EQ(setup->emulator, "/usr/bin/qemu-system-aarch64");
  EXPECT_EQ(setup->preload, "");
  EXPECT_TRUE(setup->backing.empty());
}

TEST(DomainSetup, EmulationIsNoKvm) {
  std::string xml = Domain("");
  xml.replace(xml.find("kvm"), 3, "qemu");
  EXPECT_FALSE(ParseDomainSetup(xml, kChannel)->uses_kvm);
}

TEST(DomainSetup, TheRecipeGivesADomainWhatItLacks) {
  const DomainRecipe recipe = MakeDomainRecipe({.channel_name = kChannel,
                                                .preload_library = "/lib/it's <&>.so",
                                                .attach_socket = "/run/other.sock"});
  const auto setup = ParseDomainSetup(Domain(recipe.commandline, recipe.channel), kChannel);
  ASSERT_TRUE(setup) << setup.error().Text();
  EXPECT_TRUE(setup->domain.has_channel);
  EXPECT_EQ(setup->preload, "/lib/it's <&>.so");
  EXPECT_NE(recipe.commandline.find("SEAWARD_ATTACH_SOCKET' value='/run/other.sock'"),
            std::string::npos);
}

TEST(DomainSetup, TheRecipeNamesNoSocketThatIsTheDefaultAnyway) {
  const DomainRecipe recipe =
      MakeDomainRecipe({.channel_name = kChannel, .preload_library = "/l", .attach_socket = ""});
  EXPECT_EQ(recipe.commandline.find("SEAWARD_ATTACH_SOCKET"), std::string::npos);
}

TEST(DomainSetup, PreloadIsFoundUnderAnyPrefixAndOtherVariablesAreNot) {
  const auto setup = ParseDomainSetup(
      Domain("<q:commandline><q:env name='HOME' value='/x'/>"
             "<q:env name='LD_PRELOAD' value='/a.so:/b.so'/></q:commandline>"
             "<commandline><env name='LD_PRELOAD' value='/not-qemus'/></commandline>"),
      kChannel);
  ASSERT_TRUE(setup);
  EXPECT_EQ(setup->preload, "/a.so:/b.so");
}

TEST(DomainSetup, NamesWhatIsSpecialAboutTheMemory) {
  const auto traits = [](const std::string& inside, const std::string& devices) {
    std::string words;
    const auto setup = ParseDomainSetup(Domain(inside, devices), kChannel);
    if (!setup) return setup.error().Text();
    for (const BackingTrait trait : setup->backing) words += std::string(ToString(trait)) + " ";
    return words;
  };
  EXPECT_EQ(traits("<memoryBacking><hugepages/><access mode='shared'/><locked/></memoryBacking>",
                   "<memory model='nvdimm'/><hostdev type='pci'/><hostdev type='pci'/>"),
            "huge_pages shared locked persistent passthrough ");
  EXPECT_EQ(traits("<memoryBacking><access mode='private'/></memoryBacking>",
                   "<memory model='dimm'/><hostdev type='usb'/>"),
            "");
}

TEST(DomainSetup, RefusesWhatIsNoDomain) {
  for (const char* xml : {"", "<domain/>", "<network/>", "<domain><name>x</name>"})
    EXPECT_FALSE(ParseDomainSetup(xml, kChannel)) << xml;
}

}  // namespace
}  // namespace seaward
