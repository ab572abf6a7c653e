// The notifier, asked over its control socket as every client of it is.
#pragma once

#include <string>

#include "base/uuid.h"
#include "host-notifier/chaos/victim.h"

namespace seaward::chaos {

class ControlWitness final : public Witness {
 public:
  // `restart`: what the shell runs to have the notifier restarted.
  ControlWitness(std::string socket, const Uuid& vm, std::string restart)
      : socket_(std::move(socket)), vm_(FormatUuid(vm)), restart_(std::move(restart)) {}

  // kClosed: nobody answers; kNotFound: the notifier does not know the VM.
  Status Tell(GuestPhysAddr page, protocol::Evidence evidence) override;
  Result<VmPicture> Look() override;
  Result<std::vector<LedgerRow>> ReadLedger() override;
  Status Kill() override;
  Status Restart() override;

 private:
  const std::string socket_;
  const std::string vm_;
  const std::string restart_;
};

// The pure halves. `line`: what the notifier answers to `status`.
Result<VmPicture> ReadStatus(const std::string& line);
// The rows of one VM among the lines of an export.
class LedgerReader {
 public:
  explicit LedgerReader(std::string vm_uuid) : vm_(std::move(vm_uuid)) {}
  // kCorrupt: no line of an export.
  Status Take(const std::string& line);
  // Behind the last line.
  bool whole() const { return whole_; }
  std::vector<LedgerRow> TakeRows() { return std::move(rows_); }

 private:
  struct Life {
    std::string id;
    bool ended = false;
  };
  const std::string vm_;
  std::vector<Life> incarnations_;
  std::vector<LedgerRow> rows_;
  bool whole_ = false;
};

}  // namespace seaward::chaos
