// The half of ControlConnection that moves whole ledgers, at the pace of its client and the disk.
#include <sys/socket.h>

#include <boost/asio/buffer.hpp>
#include <istream>
#include <iterator>

#include "host-notifier/observe/control_connection.h"
#include "host-notifier/observe/json_lines.h"
#include "host-notifier/observe/record_lines.h"

namespace seaward::observe {

using boost::system::error_code;

Peer ControlConnection::PeerOf() {
  ucred peer{};
  socklen_t size = sizeof(peer);
  // Of a unix socket it cannot fail; nobody's number is none that an audit would believe.
  if (::getsockopt(socket_.native_handle(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
    return {static_cast<uid_t>(-1), 0};
  return {peer.uid, peer.pid};
}

void ControlConnection::Answer(const ExportRequest&) {
  handler_.BeginExport(
      [weak = weak_from_this()](const Result<std::shared_ptr<RecordSource>>& source) {
        const auto self = weak.lock();
        if (self == nullptr || !self->socket_.is_open()) return;
        if (!source) return self->Finish(ErrorLine(source.error()));
        self->source_ = *source;
        self->LimitPatience();
        self->Enqueue(RecordHeaderLine());
      });
}

void ControlConnection::SendRecords() {
  source_->Next([weak = weak_from_this()](const Result<std::vector<ledger::LedgerRecord>>& some) {
    const auto self = weak.lock();
    if (self == nullptr || !self->socket_.is_open()) return;
    if (!some) {
      self->source_.reset();
      return self->Finish(ErrorLine(some.error()));
    }
    if (some->empty()) {
      self->source_.reset();
      return self->Finish(RecordEndLine(self->records_sent_));
    }
    self->records_sent_ += some->size();
    std::string lines;
    for (const ledger::LedgerRecord& record : *some)
      lines += (lines.empty() ? "" : "\n") + RecordLine(record);
    self->LimitPatience();
    self->Enqueue(std::move(lines));
  });
}

void ControlConnection::Answer(const ImportRequest& request) {
  sink_ = handler_.BeginImport(request, PeerOf());
  // What came with the request.
  std::istream rest(&input_);
  intake_.Feed(std::string(std::istreambuf_iterator<char>(rest), {}));
  StoreRecords();
}

// Not before everything that was read is in the ledger: a client that is faster than the disk
// waits.
void ControlConnection::ReadRecords() {
  LimitPatience();
  socket_.async_read_some(input_.prepare(kMaxRequestBytes),
                          [self = shared_from_this()](const error_code& error, std::size_t bytes) {
                            if (self->socket_.is_open()) self->RecordsRead(error, bytes);
                          });
}

void ControlConnection::RecordsRead(const error_code& error, std::size_t bytes) {
  patience_.cancel();
  if (error && error != boost::asio::error::eof) return End();
  said_all_ = error == boost::asio::error::eof;
  input_.commit(bytes);
  std::istream chunk(&input_);
  intake_.Feed(std::string(std::istreambuf_iterator<char>(chunk), {}));
  if (said_all_) intake_.End();
  StoreRecords();
}

void ControlConnection::StoreRecords() {
  if (intake_.hopeless()) return Finish(ImportLine(intake_.result()));
  if (!intake_.full() && !said_all_) return ReadRecords();
  std::vector<ledger::LedgerRecord> batch = intake_.TakeBatch();
  if (batch.empty()) return FinishImport();
  sink_->Take(std::move(batch), [weak = weak_from_this()](
                                    const Result<std::vector<ledger::ImportedRecord>>& outcomes) {
    const auto self = weak.lock();
    if (self == nullptr || !self->socket_.is_open()) return;
    if (!outcomes) return self->Finish(ErrorLine(outcomes.error()));
    self->intake_.Answer(*outcomes);
    self->StoreRecords();
  });
}

void ControlConnection::FinishImport() {
  sink_->Finish(intake_.result(), [weak = weak_from_this()](const Status& done) {
    const auto self = weak.lock();
    if (self == nullptr) return;
    self->Finish(done ? ImportLine(self->intake_.result()) : ErrorLine(done.error()));
  });
}

}  // namespace seaward::observe
