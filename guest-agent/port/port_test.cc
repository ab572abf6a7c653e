#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <array>
#include <filesystem>
#include <fstream>

#include "guest-agent/port/agent_port.h"
#include "guest-agent/port/port_finder.h"

namespace seaward::agent {
namespace {

constexpr char kName[] = "org.seaward.agent.0";

class PortTest : public testing::Test {
 protected:
  PortTest() {
    char name[] = "/tmp/swvXXXXXX";
    root_ = ::mkdtemp(name);
  }
  ~PortTest() override { std::filesystem::remove_all(root_); }
  void PortAppears(const std::string& port, const std::string& name) {
    Attribute("/class/virtio-ports/" + port + "/name", name + "\n");
  }
  void Attribute(const std::string& path, const std::string& text) {
    const std::filesystem::path file = root_ + path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  std::string root_;
};

TEST_F(PortTest, IsFoundByNameAmongOthers) {
  EXPECT_EQ(FindPort(root_, "/dev", kName).error().code, ErrorCode::kNotFound);
  PortAppears("vport0p1", "org.qemu.guest_agent.0");
  PortAppears("vport0p2", "org.seaward.agent.01");
  EXPECT_FALSE(FindPort(root_, "/dev", kName));
  PortAppears("vport1p7", kName);
  EXPECT_EQ(FindPort(root_, "/dev", kName).value(), "/dev/vport1p7");
}

TEST_F(PortTest, OnlyAConsoleDeviceIsWorthAWait) {
  EXPECT_FALSE(ConsoleDevicePresent(root_));
  Attribute("/bus/virtio/devices/virtio0/device", "0x0001\n");
  EXPECT_FALSE(ConsoleDevicePresent(root_));
  Attribute("/bus/virtio/devices/virtio1/device", "0x0003\n");
  EXPECT_TRUE(ConsoleDevicePresent(root_));
}

TEST_F(PortTest, NeverBlocksWhateverTheOtherEndDoes) {
  // A FIFO opened for both directions behaves like a port: reads find nothing, writes fill up.
  const std::string node = root_ + "/vport0p1";
  ASSERT_EQ(::mkfifo(node.c_str(), 0600), 0);
  auto port = AgentPort::Open(node);
  ASSERT_TRUE(port) << port.error().Text();
  std::array<std::byte, 4096> buffer{};
  EXPECT_TRUE(port->Read(buffer).value().host_connected);
  EXPECT_EQ(port->Read(buffer).value().bytes, 0u);
  int sent = 0;
  while (port->Send(buffer).value()) ASSERT_LT(++sent, 10000);
  EXPECT_GT(sent, 0);
  EXPECT_EQ(port->Read(buffer).value().bytes, buffer.size());
  EXPECT_TRUE(port->Send(buffer).value());
}

TEST_F(PortTest, ReadingNothingMeansThatNoHostIsThere) {
  const std::string node = root_ + "/empty";
  std::ofstream(node).flush();
  auto port = AgentPort::Open(node);
  ASSERT_TRUE(port);
  std::array<std::byte, 16> buffer{};
  EXPECT_FALSE(port->Read(buffer).value().host_connected);
}

TEST_F(PortTest, ANodeThatIsMissingIsAnError) {
  EXPECT_EQ(AgentPort::Open(root_ + "/none").error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace seaward::agent
