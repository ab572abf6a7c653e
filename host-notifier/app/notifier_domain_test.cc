// The real notifier and libvirt's built-in test driver: domains without a hypervisor.
#include "host-notifier/app/notifier_process_fixture.h"

namespace seaward {
namespace {

class NotifierDomainTest : public NotifierProcessTest {
 protected:
  NotifierDomainTest() {
    std::ofstream(dir_ / "node.xml") << R"(<node>
<domain type='test'><name>plain</name><uuid>00000000-0000-0000-0000-000000000001</uuid>
 <memory>65536</memory><os><type>hvm</type></os></domain>
<domain type='test'><name>ours</name><uuid>00000000-0000-0000-0000-000000000002</uuid>
 <memory>65536</memory><os><type>hvm</type></os><devices>
 <channel type='unix'><target type='virtio' name='org.seaward.agent.0'/></channel></devices></domain>
</node>)";
    Configure("test://" + (dir_ / "node.xml"));
  }
  std::string StateOf(const Json& report, const std::string& item) {
    for (const Json& finding : report["findings"])
      if (finding["item"] == item) return finding["state"];
    return "absent";
  }
};

TEST_F(NotifierDomainTest, AnyDomainIsExaminedAlsoOneThatIsNotManaged) {
  StartNotifier();
  Until("libvirt is reached", [this] { return StatusOf("/libvirt/connected") == true; });
  const Json plain = Ask({{"op", "domain"}, {"vm", "plain"}});
  EXPECT_EQ("00000000-0000-0000-0000-000000000001", plain["vm_uuid"]);
  EXPECT_EQ(true, plain["running"]);
  EXPECT_EQ(false, plain["complete"]);
  EXPECT_EQ("lacking", StateOf(plain, "channel"));
  EXPECT_EQ("lacking", StateOf(plain, "attached"));
  // The attach socket is not the default here, so QEMU must be told.
  const std::string commandline = plain["recipe"][1]["xml"];
  EXPECT_NE(std::string::npos, commandline.find(dir_ / "attach.sock")) << commandline;
  const Json ours = Ask({{"op", "domain"}, {"vm", "00000000-0000-0000-0000-000000000002"}});
  EXPECT_EQ("ok", StateOf(ours, "channel"));
  EXPECT_EQ(true, ours["recipe"][0]["present"]);
  EXPECT_EQ("not_found", Ask({{"op", "domain"}, {"vm", "nobody"}})["error"]["code"]);
  StopNotifier();
}

TEST_F(NotifierDomainTest, AStaticVmIsExaminedWithoutLibvirt) {
  Configure("none");
  GuestBoots();
  StartNotifier();
  VmmAttaches();
  Until("the guest is in step", [this] { return StatusOf("/vms/0/session") == "live"; });
  Until("the VMM is attached", [this] { return StatusOf("/vms/0/attached") == true; });
  const Json web = Ask({{"op", "domain"}, {"vm", "web"}});
  EXPECT_EQ(true, web["complete"]) << web;
  EXPECT_EQ(0u, web["recipe"].size());
  EXPECT_EQ("not_found", Ask({{"op", "domain"}, {"vm", "plain"}})["error"]["code"]);
}

}  // namespace
}  // namespace seaward
