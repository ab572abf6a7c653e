// libvirt's word that a domain met a memory failure, through the real notifier and libvirt's test
// driver. The event itself is made up (fake_memory_failure.c): no driver of a test raises it.
#include "host-notifier/app/notifier_process_fixture.h"

namespace seaward {
namespace {

class MemoryFailureProcessTest : public NotifierProcessTest {
 protected:
  MemoryFailureProcessTest() {
    std::ofstream(dir_ / "node.xml")
        << "<node><domain type='test'><name>ours</name>"
           "<uuid>00000000-0000-0000-0000-000000000002</uuid><memory>65536</memory>"
           "<os><type>hvm</type></os><devices><channel type='unix'><source mode='bind' path='"
        << dir_.path() << "/agent.sock'/><target type='virtio' name='org.seaward.agent.0'/>"
        << "</channel></devices></domain></node>";
    std::ofstream(dir_ / "notifier.yaml")
        << "state_dir: " << dir_.path() << "/state\ncontrol_socket: " << dir_.path()
        << "/control.sock\nattach_socket: " << dir_.path() << "/attach.sock\n"
        << "libvirt:\n  uri: test://" << dir_.path() << "/node.xml\n";
  }
  void DomainRuns() {
    GuestBoots();  // who listens on its channel is its VMM
    StartNotifier("SEAWARD_FAKE_MEMORY_FAILURE=" + (dir_ / "failure") +
                  " LD_PRELOAD=" SEAWARD_FAKE_MEMORY_FAILURE_LIBRARY);
    Until("its memory is known", [this] { return Of("incarnation").is_string(); });
  }
  Json Of(const std::string& member) {
    const Json vms = StatusOf("/vms");
    for (const Json& vm : vms.is_array() ? vms : Json::array())
      if (vm["name"] == "ours") return vm[member];
    return {};
  }
  void LibvirtTellsOfAFailure() { std::ofstream(dir_ / "failure") << "ours"; }
};

TEST_F(MemoryFailureProcessTest, BecomesAnErrorWithoutAPlace) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer wants to be the first library that is loaded";
#endif
  ASSERT_NO_FATAL_FAILURE(DomainRuns());
  LibvirtTellsOfAFailure();
  Until("it is on record", [this] { return Count("SELECT count(*) FROM event") == 1; });
  const Json event = Ask({{"op", "events"}})["events"][0];
  EXPECT_EQ("ours", event["vm"]);
  EXPECT_EQ("hypervisor", event["source"]);
  EXPECT_EQ("unlocated", event["location"]);
  EXPECT_EQ("latent", event["evidence"]);
  Until("the VM is unsafe to migrate", [this] { return Of("migration")["safe"] == false; });
  EXPECT_TRUE(Logged("event=hypervisor_error vm=ours recipient=guest action=inject known=no"));
  EXPECT_EQ(0, Count("SELECT count(*) FROM page"));
  EXPECT_EQ(1, StatusOf("/host_errors/placeless"));
  StopNotifier();
}

}  // namespace
}  // namespace seaward
