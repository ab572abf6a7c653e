#include "host-notifier/libvirt/domain_description.h"

#include <gtest/gtest.h>

#include <string>

namespace seaward {
namespace {

constexpr char kChannel[] = "org.seaward.agent.0";

std::string Domain(const std::string& features, const std::string& devices) {
  return "<domain type='kvm' id='1'><name>web1</name>"
         "<uuid>4752b4d4-3c01-46c4-ba2c-ef1d19b32cc8</uuid><features>" +
         features + "</features><devices>" + devices + "</devices></domain>";
}

std::string Channel(const std::string& type, const std::string& source, const std::string& name) {
  return "<channel type='" + type + "'>" + source + "<target type='virtio' name='" + name +
         "' state='disconnected'/></channel>";
}

TEST(DomainXml, GivesNameUuidAndTheSocketThatQemuListensOn) {
  const auto d =
      ParseDomainXml(Domain("<gic version='3'/>",
                            Channel("unix", "<source mode='bind' path='/run/a.sock'/>", kChannel)),
                     kChannel);
  ASSERT_TRUE(d) << d.error().Text();
  EXPECT_EQ("web1", d->name);
  EXPECT_EQ("4752b4d4-3c01-46c4-ba2c-ef1d19b32cc8", FormatUuid(d->uuid));
  EXPECT_TRUE(d->has_channel);
  EXPECT_EQ("/run/a.sock", d->channel_socket);
  EXPECT_FALSE(d->has_ghes);
}

TEST(DomainXml, OtherChannelsAreNotOurs) {
  const auto d = ParseDomainXml(
      Domain("", Channel("unix", "<source mode='bind' path='/run/q'/>", "org.qemu.guest_agent.0")),
      kChannel);
  ASSERT_TRUE(d);
  EXPECT_FALSE(d->has_channel);
  EXPECT_FALSE(d->channel_socket);
}

TEST(DomainXml, ChannelWithoutAListeningSocketNeedsTheStream) {
  for (const std::string& source : {std::string("<source mode='connect' path='/run/q'/>"),
                                    std::string("<source mode='bind'/>"), std::string()}) {
    const auto d = ParseDomainXml(Domain("", Channel("unix", source, kChannel)), kChannel);
    ASSERT_TRUE(d);
    EXPECT_TRUE(d->has_channel);
    EXPECT_FALSE(d->channel_socket) << source;
  }
  const auto pty =
      ParseDomainXml(Domain("", Channel("pty", "<source path='/dev/pts/1'/>", kChannel)), kChannel);
  ASSERT_TRUE(pty);
  EXPECT_TRUE(pty->has_channel);
  EXPECT_FALSE(pty->channel_socket);
}

TEST(DomainXml, GhesNeedsAcpiAndRas) {
  const auto ghes = [](const std::string& features) {
    return ParseDomainXml(Domain(features, ""), kChannel)->has_ghes;
  };
  EXPECT_TRUE(ghes("<acpi/><ras state='on'/>"));
  EXPECT_FALSE(ghes("<ras state='on'/>"));
  EXPECT_FALSE(ghes("<acpi/>"));
  EXPECT_FALSE(ghes("<acpi/><ras state='off'/>"));
}

TEST(DomainXml, RasMayBeAskedOfQemuByHandWhereLibvirtHasNoWordForIt) {
  const auto ghes = [](const std::string& arguments) {
    std::string xml = Domain("<acpi/>", "");
    xml.insert(xml.find("<name>"), "<qemu:commandline>" + arguments + "</qemu:commandline>");
    return ParseDomainXml(xml, kChannel)->has_ghes;
  };
  EXPECT_TRUE(ghes("<qemu:arg value='-machine'/><qemu:arg value='ras=on'/>"));
  EXPECT_TRUE(ghes("<qemu:arg value='-M'/><qemu:arg value='virt,ras=on,iommu=smmuv3'/>"));
  EXPECT_FALSE(ghes("<qemu:arg value='-machine'/><qemu:arg value='ras=off'/>"));
  EXPECT_FALSE(ghes("<qemu:arg value='-name'/><qemu:arg value='ras=on'/>"));
  EXPECT_FALSE(ghes("<qemu:env name='-machine' value='ras=on'/>"));
}

TEST(DomainXml, RefusesWhatIsNotADomain) {
  const std::string deep(100000, '<');
  std::string nested;
  for (int i = 0; i < 5000; ++i) nested += "<a>";
  for (const std::string& xml : {std::string(), std::string("<domain>"), std::string("<node/>"),
                                 deep, nested, std::string("<domain><name>x</name></domain>"),
                                 std::string("<domain><name>x</name><uuid>no</uuid></domain>")})
    EXPECT_FALSE(ParseDomainXml(xml, kChannel)) << xml.substr(0, 60);
}

TEST(DomainStatus, GivesThePidThatLibvirtStarted) {
  const std::string inner = Domain("", Channel("unix", "", kChannel));
  const auto s = ParseDomainStatus(
      "<!-- generated -->\n<domstatus state='running' pid='20573'>"
      "<vcpus><vcpu id='0' pid='20577'/></vcpus>" +
          inner + "</domstatus>",
      kChannel);
  ASSERT_TRUE(s) << s.error().Text();
  EXPECT_EQ(20573, s->pid);
  EXPECT_EQ("web1", s->domain.name);
  EXPECT_TRUE(s->domain.has_channel);
}

TEST(DomainStatus, RefusesAMissingOrSillyPid) {
  for (const std::string pid : {"", "0", "-1", "12x", "99999999999"})
    EXPECT_FALSE(ParseDomainStatus(
        "<domstatus pid='" + pid + "'>" + Domain("", "") + "</domstatus>", kChannel))
        << pid;
}

}  // namespace
}  // namespace seaward
