// The client's end of the control socket. Blocking.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/unique_fd.h"

namespace seaward::ctl {

class ControlClient {
 public:
  // Any error: nobody answers at `path`.
  static Result<ControlClient> Connect(const std::string& path);

  // Sends `request` (one line, without its newline) and hands every reply line to `take` until it
  // returns false or the notifier closes. kTimeout after `patience` without a line (0: for ever),
  // kClosed when the notifier ends without a single line.
  Status Ask(const std::string& request, std::chrono::milliseconds patience,
             const std::function<bool(const std::string& line)>& take);

  // The two halves of Ask, for those who have more to say than one line.
  Status Send(std::string_view bytes);
  void EndSending();
  Status Listen(std::chrono::milliseconds patience,
                const std::function<bool(const std::string& line)>& take);

 private:
  explicit ControlClient(UniqueFd socket) : socket_(std::move(socket)) {}
  UniqueFd socket_;
};

}  // namespace seaward::ctl
