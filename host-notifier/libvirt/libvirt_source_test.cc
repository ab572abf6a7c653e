// Against libvirt's built-in test driver: domains without a hypervisor.
#include "host-notifier/libvirt/libvirt_source.h"

#include <gtest/gtest.h>
#include <libvirt/libvirt.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace seaward {
namespace {

using std::chrono_literals::operator""s;

constexpr char kNode[] = R"(<node>
<domain type='test'><name>with</name><uuid>00000000-0000-0000-0000-000000000001</uuid>
 <memory>65536</memory><os><type>hvm</type></os><devices>
 <channel type='unix'><source mode='bind' path='/run/with.sock'/>
  <target type='virtio' name='org.seaward.agent.0'/></channel></devices></domain>
<domain type='test'><name>without</name><uuid>00000000-0000-0000-0000-000000000002</uuid>
 <memory>65536</memory><os><type>hvm</type></os></domain>
</node>)";

class Recorder final : public DomainListener {
 public:
  void DomainSeen(const DomainDescription& d) override {
    seen.push_back(d.name + (d.has_channel ? ":" + d.channel_socket.value_or("stream") : ""));
  }
  void DomainShuttingDown(const Uuid&) override {}
  void DomainGone(const Uuid& uuid, DomainEnd end) override {
    gone.push_back(FormatUuid(uuid).substr(35) + ":" + std::string(ToString(end)));
  }
  void DomainRebooted(const Uuid&) override {}
  void DomainResumed(const Uuid&) override { ++resumed; }
  void DomainMetMemoryFailure(const Uuid&, const DomainMemoryFailure&) override {}
  void LibvirtReachable(bool is, const std::string&) override { (is ? reached : failed)++; }
  std::vector<std::string> seen;
  std::vector<std::string> gone;
  int resumed = 0;
  int reached = 0;
  int failed = 0;
};

class NoChannel final : public ChannelListener {
 public:
  void ChannelOpened() override { opened = true; }
  void ChannelBytes(std::span<const std::byte>) override {}
  void ChannelClosed(const Error& why) override { closed = why.Text(); }
  bool opened = false;
  std::string closed;
};

class LibvirtSourceTest : public ::testing::Test {
 protected:
  LibvirtSourceTest() {
    char name[] = "/tmp/swlvXXXXXX";
    folder_ = ::mkdtemp(name);
    std::ofstream(folder_ + "/node.xml") << kNode;
  }
  ~LibvirtSourceTest() override {
    source_.reset();
    std::filesystem::remove_all(folder_);
  }

  void StartWith(const std::string& uri) {
    LibvirtOptions options{.uri = uri, .channel_name = "org.seaward.agent.0"};
    options.retry_first = std::chrono::milliseconds(5);
    auto source = LibvirtSource::Start(loop_, options, recorder_);
    ASSERT_TRUE(source) << source.error().Text();
    source_ = std::move(*source);
  }
  template <class Condition>
  void RunUntil(Condition condition) {
    const auto work = boost::asio::make_work_guard(loop_);
    loop_.restart();
    const auto deadline = std::chrono::steady_clock::now() + 20s;
    while (!condition() && std::chrono::steady_clock::now() < deadline) loop_.run_one_for(1s);
    ASSERT_TRUE(condition());
  }

  boost::asio::io_context loop_;
  Recorder recorder_;
  std::string folder_;
  std::unique_ptr<LibvirtSource> source_;
};

TEST_F(LibvirtSourceTest, ReportsEveryRunningDomainWithAndWithoutTheChannel) {
  StartWith("test://" + folder_ + "/node.xml");
  RunUntil([this] { return recorder_.seen.size() == 2; });
  std::sort(recorder_.seen.begin(), recorder_.seen.end());
  EXPECT_EQ((std::vector<std::string>{"with:/run/with.sock", "without"}), recorder_.seen);
  EXPECT_EQ(1, recorder_.reached);
}

// test:///default is one driver instance per process: a second connection shares its domains.
TEST_F(LibvirtSourceTest, FollowsADomainThatEndsAndStartsAgain) {
  StartWith("test:///default");
  RunUntil([this] { return recorder_.seen.size() == 1; });
  const virConnectPtr operator_side = virConnectOpen("test:///default");
  ASSERT_NE(nullptr, operator_side);
  const virDomainPtr domain = virDomainLookupByName(operator_side, "test");
  ASSERT_EQ(0, virDomainDestroy(domain));
  RunUntil([this] { return recorder_.gone.size() == 1; });
  EXPECT_NE(std::string::npos, recorder_.gone[0].find("destroyed"));
  ASSERT_EQ(0, virDomainCreate(domain));
  RunUntil([this] { return recorder_.seen.size() == 2; });
  virDomainFree(domain);
  virConnectClose(operator_side);
}

TEST_F(LibvirtSourceTest, TellsThatADomainGoesOn) {
  StartWith("test:///default");
  RunUntil([this] { return recorder_.seen.size() == 1; });
  const virConnectPtr operator_side = virConnectOpen("test:///default");
  ASSERT_NE(nullptr, operator_side);
  const virDomainPtr domain = virDomainLookupByName(operator_side, "test");
  ASSERT_EQ(0, virDomainSuspend(domain));
  ASSERT_EQ(0, virDomainResume(domain));
  RunUntil([this] { return recorder_.resumed == 1; });
  virDomainFree(domain);
  virConnectClose(operator_side);
}

TEST_F(LibvirtSourceTest, KeepsTryingWhileLibvirtIsOutOfReachAndRecovers) {
  std::filesystem::rename(folder_ + "/node.xml", folder_ + "/away.xml");
  StartWith("test://" + folder_ + "/node.xml");
  RunUntil([this] { return recorder_.failed >= 2; });
  std::filesystem::rename(folder_ + "/away.xml", folder_ + "/node.xml");
  RunUntil([this] { return recorder_.reached == 1 && recorder_.seen.size() == 2; });
}

TEST_F(LibvirtSourceTest, ChannelThatCannotBeOpenedSaysSo) {
  StartWith("test://" + folder_ + "/node.xml");
  RunUntil([this] { return recorder_.seen.size() == 2; });
  NoChannel listener;
  const auto channel =
      source_->OpenChannel(*ParseUuid("00000000-0000-0000-0000-000000000001"), listener);
  RunUntil([&] { return !listener.closed.empty(); });
  EXPECT_FALSE(listener.opened);
}

TEST_F(LibvirtSourceTest, GivesTheXmlOfADomainByNameAndByUuid) {
  StartWith("test://" + folder_ + "/node.xml");
  RunUntil([this] { return recorder_.seen.size() == 2; });
  for (const char* name : {"without", "00000000-0000-0000-0000-000000000002"}) {
    std::optional<Result<DomainXml>> answer;
    source_->FetchXml(name, [&](Result<DomainXml> xml) { answer = std::move(xml); });
    RunUntil([&] { return answer.has_value(); });
    ASSERT_TRUE(*answer) << answer->error().Text();
    EXPECT_TRUE((*answer)->running);
    EXPECT_NE(std::string::npos, (*answer)->xml.find("<name>without</name>"));
  }
  std::optional<Result<DomainXml>> answer;
  source_->FetchXml("nobody", [&](Result<DomainXml> xml) { answer = std::move(xml); });
  RunUntil([&] { return answer.has_value(); });
  ASSERT_FALSE(*answer);
  EXPECT_EQ(ErrorCode::kNotFound, answer->error().code);
}

TEST_F(LibvirtSourceTest, SaysThatLibvirtIsOutOfReach) {
  StartWith("test://" + folder_ + "/nothing.xml");
  RunUntil([this] { return recorder_.failed >= 1; });
  std::optional<Result<DomainXml>> answer;
  source_->FetchXml("with", [&](Result<DomainXml> xml) { answer = std::move(xml); });
  RunUntil([&] { return answer.has_value(); });
  ASSERT_FALSE(*answer);
  EXPECT_EQ(ErrorCode::kClosed, answer->error().code);
}

TEST_F(LibvirtSourceTest, LeavesItsWordInTheMetadataOfARunningDomain) {
  StartWith("test:///default");
  RunUntil([this] { return recorder_.seen.size() == 1; });
  const virConnectPtr operator_side = virConnectOpen("test:///default");
  const virDomainPtr domain = virDomainLookupByName(operator_side, "test");
  Uuid uuid;
  ASSERT_EQ(0, virDomainGetUUID(domain, reinterpret_cast<unsigned char*>(uuid.bytes.data())));
  for (const DomainMark& mark : {DomainMark{false, "2 bad pages, 'it' <reads>", 2}, DomainMark{}}) {
    std::optional<Status> written;
    source_->WriteMark(uuid, mark, [&](Status done) { written = std::move(done); });
    RunUntil([&] { return written.has_value(); });
    ASSERT_TRUE(*written) << written->error().Text();
    char* metadata = virDomainGetMetadata(domain, VIR_DOMAIN_METADATA_ELEMENT, kMarkNamespace,
                                          VIR_DOMAIN_AFFECT_LIVE);
    ASSERT_NE(nullptr, metadata);
    const std::string text = metadata;
    std::free(metadata);
    EXPECT_NE(std::string::npos, text.find(mark.safe_to_migrate ? "\"yes\"" : "\"no\"")) << text;
    EXPECT_EQ(!mark.safe_to_migrate, text.find("unhealed-pages=\"2\"") != std::string::npos);
    EXPECT_EQ(!mark.safe_to_migrate, text.find("'it' &lt;reads") != std::string::npos) << text;
  }
  virDomainFree(domain);
  virConnectClose(operator_side);
}

TEST_F(LibvirtSourceTest, StopIsPromptAndFinal) {
  StartWith("test:///default");
  EXPECT_TRUE(source_->Stop(20s));
  loop_.poll();
  EXPECT_TRUE(recorder_.seen.empty());
}

}  // namespace
}  // namespace seaward
