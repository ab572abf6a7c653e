// The host's own kernel behind the HostMemory interface.
#pragma once

#include <string>

#include "host-notifier/app/host_memory.h"
#include "host-notifier/hostpage/frame_search.h"
#include "host-notifier/hostpage/page_frames.h"

namespace seaward {

class KernelHostMemory final : public HostMemory {
 public:
  explicit KernelHostMemory(std::string hard_offline_path) : path_(std::move(hard_offline_path)) {}
  std::optional<PageFrame> FrameBehind(const ProcessIdentity& process,
                                       HostVirtAddr address) override {
    return seaward::FrameBehind(process, address);
  }
  bool IsReplaced(const ProcessIdentity& process, HostVirtAddr address, PageFrame bad) override {
    return seaward::IsReplaced(process, address, bad);
  }
  Result<std::vector<HostVirtAddr>> Find(const ProcessIdentity& process, PageFrame frame,
                                         const std::function<bool()>& give_up) override {
    return FindFrame(process, frame, give_up);
  }
  Status Retire(PageFrame frame) override { return RetireFrame(frame, path_); }

 private:
  const std::string path_;
};

}  // namespace seaward
