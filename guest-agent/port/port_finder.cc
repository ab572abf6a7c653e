#include "guest-agent/port/port_finder.h"

#include <fmt/format.h>

#include <filesystem>
#include <system_error>
#include <vector>

#include "base/file_io.h"

namespace seaward::agent {
namespace {

namespace fs = std::filesystem;

// A port's name, a device id: one short line.
constexpr std::size_t kAttributeCap = 256;
// virtio specification, section 5: device id of the console.
constexpr std::string_view kConsoleDeviceId = "0x0003";

std::vector<std::string> EntriesOf(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error))
    names.push_back(it->path().filename().string());
  return names;
}

// Empty when it cannot be read.
std::string Attribute(const std::string& folder, const std::string& device, const char* name) {
  auto text = ReadTextFile(fmt::format("{}/{}/{}", folder, device, name), kAttributeCap);
  if (!text) return {};
  while (!text->empty() && text->back() == '\n') text->pop_back();
  return std::move(*text);
}

}  // namespace

Result<std::string> FindPort(const std::string& sys, const std::string& dev,
                             const std::string& name) {
  const std::string folder = sys + "/class/virtio-ports";
  for (const std::string& port : EntriesOf(folder))
    if (Attribute(folder, port, "name") == name) return fmt::format("{}/{}", dev, port);
  return Fail(ErrorCode::kNotFound, "no virtio port is named " + name);
}

bool ConsoleDevicePresent(const std::string& sys) {
  const std::string folder = sys + "/bus/virtio/devices";
  for (const std::string& device : EntriesOf(folder))
    if (Attribute(folder, device, "device") == kConsoleDeviceId) return true;
  return false;
}

}  // namespace seaward::agent
