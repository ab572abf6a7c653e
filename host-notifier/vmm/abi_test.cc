// What programs that were built against seaward/vmm.h rely on, against the list in abi.txt: names
// that the library exports with their versions, sizes and places of members, values of constants.
// A difference that only adds lines is a new minor version; any other needs a new SONAME.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "seaward/vmm.h"

namespace seaward::vmm {
namespace {

using Lines = std::vector<std::string>;

std::string Line(const std::string& what, const std::string& name, std::uint64_t number) {
  return what + " " + name + " " + std::to_string(number);
}

#define SEAWARD_SIZE(type) Line("size", #type, sizeof(struct type))
#define SEAWARD_MEMBER(type, member)                                       \
  Line("member", #type "." #member, offsetof(struct type, member)) + " " + \
      std::to_string(sizeof(type::member))
#define SEAWARD_VALUE(name) Line("value", #name, static_cast<std::uint64_t>(name))

Lines Layout() {
  return {SEAWARD_SIZE(seaward_config),
          SEAWARD_MEMBER(seaward_config, struct_size),
          SEAWARD_MEMBER(seaward_config, max_vcpus),
          SEAWARD_MEMBER(seaward_config, records_per_vcpu),
          SEAWARD_MEMBER(seaward_config, hold_us),
          SEAWARD_MEMBER(seaward_config, attach_socket),
          SEAWARD_MEMBER(seaward_config, vm_uuid),
          SEAWARD_MEMBER(seaward_config, log),
          SEAWARD_MEMBER(seaward_config, log_opaque),
          SEAWARD_SIZE(seaward_exit),
          SEAWARD_MEMBER(seaward_exit, struct_size),
          SEAWARD_MEMBER(seaward_exit, vcpu),
          SEAWARD_MEMBER(seaward_exit, flags),
          SEAWARD_MEMBER(seaward_exit, esr),
          SEAWARD_MEMBER(seaward_exit, gva),
          SEAWARD_MEMBER(seaward_exit, gpa),
          SEAWARD_MEMBER(seaward_exit, hva),
          SEAWARD_MEMBER(seaward_exit, backing_page_size),
          SEAWARD_MEMBER(seaward_exit, injection),
          SEAWARD_MEMBER(seaward_exit, when_ns),
          SEAWARD_SIZE(seaward_hold),
          SEAWARD_MEMBER(seaward_hold, struct_size),
          SEAWARD_MEMBER(seaward_hold, vcpus),
          SEAWARD_MEMBER(seaward_hold, pstate),
          SEAWARD_MEMBER(seaward_hold, immediate_exit),
          SEAWARD_SIZE(seaward_status),
          SEAWARD_MEMBER(seaward_status, struct_size),
          SEAWARD_MEMBER(seaward_status, attached),
          SEAWARD_MEMBER(seaward_status, attach_count),
          SEAWARD_MEMBER(seaward_status, refusals),
          SEAWARD_MEMBER(seaward_status, published),
          SEAWARD_MEMBER(seaward_status, coalesced),
          SEAWARD_MEMBER(seaward_status, lost),
          SEAWARD_MEMBER(seaward_status, failed_injections),
          SEAWARD_MEMBER(seaward_status, waiting)};
}

Lines Values() {
  return {SEAWARD_VALUE(SEAWARD_EXIT_GPA_VALID),
          SEAWARD_VALUE(SEAWARD_INJECT_AUTO),
          SEAWARD_VALUE(SEAWARD_INJECT_KVM),
          SEAWARD_VALUE(SEAWARD_INJECT_NONE),
          SEAWARD_VALUE(SEAWARD_INJECTED_NONE),
          SEAWARD_VALUE(SEAWARD_INJECTED_KVM),
          SEAWARD_VALUE(SEAWARD_INJECTED_KVM_INEXACT),
          SEAWARD_VALUE(SEAWARD_LEFT_TO_VMM),
          SEAWARD_VALUE(SEAWARD_INJECTED_EXACT),
          SEAWARD_VALUE(SEAWARD_PUBLISHED),
          SEAWARD_VALUE(SEAWARD_COALESCED),
          SEAWARD_VALUE(SEAWARD_LOST),
          SEAWARD_VALUE(SEAWARD_NOT_HELD),
          SEAWARD_VALUE(SEAWARD_HOLD_ANSWERED),
          SEAWARD_VALUE(SEAWARD_HOLD_ENDED),
          SEAWARD_VALUE(SEAWARD_HOLD_TIMED_OUT),
          SEAWARD_VALUE(SEAWARD_LOG_ERROR),
          SEAWARD_VALUE(SEAWARD_LOG_INFO),
          SEAWARD_VALUE(SEAWARD_LOG_DEBUG)};
}

// Those that start with one of the words.
Lines Listed(const std::vector<std::string>& words) {
  std::ifstream in(std::string(SEAWARD_SOURCE_DIR) + "/host-notifier/vmm/abi.txt");
  Lines lines;
  for (std::string line; std::getline(in, line);)
    for (const std::string& word : words)
      if (line.starts_with(word + " ")) lines.push_back(line);
  return lines;
}

TEST(Abi, LayoutIsTheOneThatProgramsWereBuiltWith) {
  EXPECT_THAT(Layout(), testing::UnorderedElementsAreArray(Listed({"size", "member"})));
}

TEST(Abi, ConstantsKeepTheirValues) {
  EXPECT_THAT(Values(), testing::UnorderedElementsAreArray(Listed({"value"})));
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // those export names of theirs
TEST(Abi, ExportsEveryNameUnderItsVersion) {
  const std::string command = std::string("nm -D --defined-only ") + SEAWARD_BINARY_DIR +
                              "/lib/libseaward-vmm.so | sed -n 's/.* T /symbol /p'";
  std::FILE* pipe = ::popen(command.c_str(), "r");
  ASSERT_NE(pipe, nullptr);
  Lines exported;
  char line[256];
  while (std::fgets(line, sizeof(line), pipe) != nullptr)
    exported.push_back(std::string(line).substr(0, std::string(line).find('\n')));
  EXPECT_EQ(::pclose(pipe), 0);
  EXPECT_THAT(exported, testing::UnorderedElementsAreArray(Listed({"symbol"})));
}
#endif

}  // namespace
}  // namespace seaward::vmm
