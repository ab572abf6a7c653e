// A libvirtd of one's own: session mode, as nobody when the test is root, on private folders. What
// runs under it ends with it, also when the test is killed.
#pragma once

#include <memory>
#include <string>

#include "tests/support/child_process.h"
#include "tests/support/temp_dir.h"

namespace seaward::testing {

class PrivateLibvirtd {
 public:
  static Result<std::unique_ptr<PrivateLibvirtd>> Start();
  ~PrivateLibvirtd();

  // The daemon only: domains live on. Returns when it answers again.
  Status Restart(int kill_signal);

  const std::string& folder() const { return dir_.path(); }
  std::string uri() const {
    return "qemu+unix:///session?socket=" + dir_ / "rt/libvirt/libvirt-sock";
  }
  // Where NAME.xml and NAME.pid of running domains are.
  std::string status_dir() const { return dir_ / "rt/libvirt/qemu/run"; }
  // A file that the domains' user can read: linked or copied into the folder.
  Result<std::string> Stage(const std::string& file, const std::string& name) const;
  std::string log() const { return dir_ / "libvirtd.log"; }

 private:
  PrivateLibvirtd() = default;
  Status Prepare();
  Status Launch();
  Status StartUndertaker();

  TempDir dir_;
  ChildProcess daemon_;
  // Waits for this process's end, then ends the domains that libvirtd left.
  ChildProcess undertaker_;
};

}  // namespace seaward::testing
