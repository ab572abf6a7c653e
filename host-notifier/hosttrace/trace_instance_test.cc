// Paths and values, in a folder that stands for tracefs; the kernel's behaviour is proved in the
// lab.
#include "host-notifier/hosttrace/trace_instance.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "base/file_io.h"

namespace seaward {
namespace {

class TraceInstanceTest : public ::testing::Test {
 protected:
  TraceInstanceTest() {
    std::string pattern = "/tmp/swt.XXXXXX";
    root_ = ::mkdtemp(pattern.data());
    std::filesystem::create_directories(root_ + "/instances");
  }
  ~TraceInstanceTest() override { std::filesystem::remove_all(root_); }

  // What the kernel puts into a new instance.
  void KernelHas(const std::string& event) {
    std::filesystem::create_directories(Instance() + "/events/" + event);
    for (const std::string& file :
         {std::string("buffer_size_kb"), std::string("tracing_on"), "events/" + event + "/enable"})
      std::ofstream(Instance() + "/" + file) << "0";
    ASSERT_EQ(0, ::mkfifo((Instance() + "/trace_pipe").c_str(), 0600));
  }
  std::string Instance() const { return root_ + "/instances/ours"; }
  std::string Value(const std::string& file) {
    return ReadTextFile(Instance() + "/" + file, 100).value_or("");
  }

  std::string root_;
};

TEST_F(TraceInstanceTest, TurnsTheEventOnUnderEitherName) {
  for (const std::string event :
       {"ras/memory_failure_event", "memory_failure/memory_failure_event"}) {
    std::filesystem::remove_all(Instance());
    KernelHas(event);
    const auto pipe = OpenTraceInstance(root_, "ours");
    ASSERT_TRUE(pipe) << pipe.error().Text();
    EXPECT_EQ(Value("events/" + event + "/enable"), "1");
    EXPECT_EQ(Value("tracing_on"), "1");
    EXPECT_EQ(Value("buffer_size_kb"), "16");
  }
}

TEST_F(TraceInstanceTest, AKernelWithoutTheEventIsToldApartAndLeftAsItWas) {
  const auto pipe = OpenTraceInstance(root_, "ours");
  ASSERT_FALSE(pipe);
  EXPECT_EQ(pipe.error().code, ErrorCode::kNotFound);
  EXPECT_FALSE(std::filesystem::exists(Instance()));
}

TEST_F(TraceInstanceTest, WithoutTracefsThereIsNothing) {
  const auto pipe = OpenTraceInstance(root_ + "/nowhere", "ours");
  ASSERT_FALSE(pipe);
  EXPECT_EQ(pipe.error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace seaward
