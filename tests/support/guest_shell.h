// Speaks with seaward-testd in a test machine over the unix socket of its virtio port
// (tests/support/testd/README.md lists the commands). One thread at a time.
#pragma once

#include <chrono>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"
#include "base/units.h"

namespace seaward::testing {

class GuestShell {
 public:
  using Json = nlohmann::json;

  explicit GuestShell(std::string socket_path) : path_(std::move(socket_path)) {}
  virtual ~GuestShell() = default;
  // The machine went elsewhere.
  void Follow(std::string socket_path);

  // Asks and waits for the reply to just this question; older replies are dropped. A reply with
  // "ok": false becomes an Error. The command gets `limit` too, as limit_ms.
  Result<Json> Ask(const std::string& command, Json arguments = Json::object(),
                   std::chrono::milliseconds limit = std::chrono::seconds(60));

  // Asks for `status` until a boot other than `previous_boot` answers; its boot_id.
  Result<std::string> WaitForBoot(const std::string& previous_boot,
                                  std::chrono::milliseconds limit);

 protected:
  // One question with its id, one reply. Overridden where a machine lies in between.
  virtual Result<Json> Exchange(const Json& question, std::chrono::milliseconds limit);

 private:
  Status Connect();
  std::string path_;
  UniqueFd socket_;
  std::string received_;
  std::uint64_t asked_ = 0;
};

// Reaches a command server whose socket lies inside another test machine.
class NestedGuestShell final : public GuestShell {
 public:
  NestedGuestShell(GuestShell& outer, std::string socket_path)
      : GuestShell(socket_path), outer_(outer), path_(std::move(socket_path)) {}

 protected:
  Result<Json> Exchange(const Json& question, std::chrono::milliseconds limit) override;

 private:
  GuestShell& outer_;
  std::string path_;
};

}  // namespace seaward::testing
