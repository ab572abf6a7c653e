#include "host-notifier/observe/control_connection.h"

#include <boost/asio/post.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <istream>

#include "host-notifier/observe/json_lines.h"

namespace seaward::observe {
namespace {

using boost::system::error_code;

// A client is a program on this host that sends at once and reads what it asked for; one that takes
// longer is stuck and holds one of few places.
constexpr std::chrono::seconds kPatience{10};
// Of a watcher that reads slower than things happen.
constexpr std::size_t kMaxUnreadBytes = std::size_t{1} << 20;

}  // namespace

ControlConnection::ControlConnection(Socket socket, ControlHandler& handler, Closed closed)
    : socket_(std::move(socket)),
      handler_(handler),
      closed_(std::move(closed)),
      patience_(socket_.get_executor()),
      input_(kMaxRequestBytes + 1) {}

void ControlConnection::Start() {
  LimitPatience();
  ReadRequest();
}

void ControlConnection::ReadRequest() {
  boost::asio::async_read_until(
      socket_, input_, '\n', [self = shared_from_this()](const error_code& error, std::size_t) {
        if (!self->socket_.is_open()) return;
        self->patience_.cancel();
        if (error == boost::asio::error::not_found)
          return self->Finish(ErrorLine({ErrorCode::kInvalid, 0, "the request is too long"}));
        if (error) return self->End();
        std::string line;
        std::istream stream(&self->input_);
        std::getline(stream, line);
        self->Dispatch(line);
      });
}

void ControlConnection::Dispatch(const std::string& line) {
  const auto request = ParseControlRequest(line);
  if (!request) return Finish(ErrorLine(request.error()));
  std::visit([this](const auto& r) { Answer(r); }, *request);
}

template <class T>
std::function<void(Result<T>)> ControlConnection::FinishWith(std::string (*line)(const T&)) {
  return [weak = weak_from_this(), line](const Result<T>& answer) {
    if (const auto self = weak.lock())
      self->Finish(answer ? line(*answer) : ErrorLine(answer.error()));
  };
}

void ControlConnection::Answer(const StatusRequest& request) {
  handler_.GetStatus(request, [weak = weak_from_this()](Result<StatusSnapshot> status) {
    const auto self = weak.lock();
    if (self == nullptr) return;
    if (!status) return self->Finish(ErrorLine(status.error()));
    self->WriteStatus(std::make_shared<StatusText>(std::move(*status)));
  });
}

// Whoever else has something for the loop gets a turn in between.
void ControlConnection::WriteStatus(const std::shared_ptr<StatusText>& text) {
  if (!socket_.is_open()) return;
  if (!text->Go()) return Finish(text->Take());
  boost::asio::post(socket_.get_executor(),
                    [self = shared_from_this(), text] { self->WriteStatus(text); });
}

void ControlConnection::Answer(const EventsRequest& request) {
  handler_.GetEvents(request, FinishWith(EventsLine));
}

void ControlConnection::Answer(const ReportRequest& request) {
  handler_.Report(request, FinishWith(ReportLine));
}

void ControlConnection::Answer(const ReportFrameRequest& request) {
  handler_.ReportFrame(request, FinishWith(FrameLine));
}

void ControlConnection::Answer(const DomainRequest& request) {
  handler_.ExamineDomain(request, FinishWith(DomainLine));
}

void ControlConnection::Answer(const MigrationRequest& request) {
  handler_.JudgeMigration(request, FinishWith(MigrationLine));
}

void ControlConnection::Answer(const ClearRequest& request) {
  handler_.Clear(request, PeerOf(), FinishWith(ClearLine));
}

void ControlConnection::Answer(const ReplayRequest& request) {
  handler_.Replay(request, PeerOf(), FinishWith(ReplayLine));
}

void ControlConnection::Answer(const DrainRequest& request) {
  handler_.Drain(request, PeerOf(), FinishWith(DrainLine));
}

void ControlConnection::Answer(const AuditRequest& request) {
  handler_.GetAudit(request, FinishWith(AuditLine));
}

void ControlConnection::Answer(const ExplainRequest& request) {
  handler_.Explain(request, [weak = weak_from_this()](const Result<PolicyReport>& report) {
    if (const auto self = weak.lock())
      self->Finish(report ? ExplainLine(*report) : ErrorLine(report.error()));
  });
}

void ControlConnection::Answer(const WatchRequest& request) {
  if (!request.vm) return BeginWatch(std::nullopt);
  handler_.FindVm(*request.vm, [weak = weak_from_this()](const Result<ledger::VmIdentity>& vm) {
    const auto self = weak.lock();
    if (self == nullptr) return;
    if (!vm) return self->Finish(ErrorLine(vm.error()));
    self->BeginWatch(vm->uuid);
  });
}

void ControlConnection::BeginWatch(std::optional<Uuid> vm) {
  if (!socket_.is_open()) return;
  watching_ = true;
  watched_ = vm;
  Enqueue(WatchingLine());
  WatchForTheEnd();
}

// A watcher has nothing more to say: whatever arrives is dropped, and the end is the end.
void ControlConnection::WatchForTheEnd() {
  socket_.async_read_some(boost::asio::buffer(&ignored_byte_, 1),
                          [self = shared_from_this()](const error_code& error, std::size_t) {
                            if (!self->socket_.is_open()) return;
                            if (error) return self->End();
                            self->WatchForTheEnd();
                          });
}

void ControlConnection::Publish(const Uuid& vm, const std::string& line) {
  if (!watching_ || (watched_ && *watched_ != vm)) return;
  if (output_bytes_ + line.size() > kMaxUnreadBytes || lost_lines_ > 0) {
    ++lost_lines_;
    return;
  }
  Enqueue(line);
}

void ControlConnection::Finish(std::string line) {
  if (!socket_.is_open()) return;
  finishing_ = true;
  LimitPatience();
  Enqueue(std::move(line));
}

void ControlConnection::Enqueue(std::string line) {
  line += '\n';
  output_bytes_ += line.size();
  output_.push_back(std::move(line));
  if (output_.size() == 1) WriteNext();
}

void ControlConnection::WriteNext() {
  boost::asio::async_write(socket_, boost::asio::buffer(output_.front()),
                           [self = shared_from_this()](const error_code& error, std::size_t) {
                             if (!self->socket_.is_open()) return;
                             if (error) return self->End();
                             self->output_bytes_ -= self->output_.front().size();
                             self->output_.pop_front();
                             if (!self->output_.empty()) return self->WriteNext();
                             if (self->finishing_) return self->End();
                             if (self->source_ != nullptr) return self->SendRecords();
                             if (self->lost_lines_ > 0)
                               self->Enqueue(WatchLostLine(std::exchange(self->lost_lines_, 0)));
                           });
}

void ControlConnection::LimitPatience() {
  patience_.expires_after(kPatience);
  patience_.async_wait([weak = weak_from_this()](const error_code& error) {
    const auto self = weak.lock();
    if (self != nullptr && !error) self->End();
  });
}

void ControlConnection::End() {
  const Closed closed = std::exchange(closed_, nullptr);
  Close();
  if (closed) closed(shared_from_this());
}

void ControlConnection::Close() {
  closed_ = nullptr;
  patience_.cancel();
  error_code ignored;
  socket_.close(ignored);
}

}  // namespace seaward::observe
