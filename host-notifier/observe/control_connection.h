// One client of the control socket: one request, its answer, the end; or, with `watch`, lines until
// the client goes.
//
// Thread: the loop's. Held by shared_ptr: answers may come after the server let go.
#pragma once

#include <utility>  // before Asio: Boost 1.74 forgets it under C++20

#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/streambuf.hpp>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "host-notifier/observe/control_handler.h"
#include "host-notifier/observe/record_intake.h"

namespace seaward::observe {

class StatusText;

class ControlConnection final : public std::enable_shared_from_this<ControlConnection> {
 public:
  using Socket = boost::asio::local::stream_protocol::socket;
  using Closed = std::function<void(const std::shared_ptr<ControlConnection>&)>;

  // `handler` outlives the open connection; `closed` is called at most once, never by Close().
  ControlConnection(Socket socket, ControlHandler& handler, Closed closed);

  void Start();
  // Takes the line when the client watches this VM.
  void Publish(const Uuid& vm, const std::string& line);
  void Close();

 private:
  void ReadRequest();
  void Dispatch(const std::string& line);
  void Answer(const StatusRequest& request);
  void Answer(const EventsRequest& request);
  void Answer(const WatchRequest& request);
  void Answer(const ReportRequest& request);
  void Answer(const ReportFrameRequest& request);
  void Answer(const DomainRequest& request);
  void Answer(const MigrationRequest& request);
  void Answer(const ExplainRequest& request);
  void Answer(const ClearRequest& request);
  void Answer(const ReplayRequest& request);
  void Answer(const DrainRequest& request);
  void Answer(const AuditRequest& request);
  void Answer(const ExportRequest& request);
  void Answer(const ImportRequest& request);
  // Writes the answer, or the error in its place, and ends; nothing when the client is gone.
  template <class T>
  std::function<void(Result<T>)> FinishWith(std::string (*line)(const T&));
  void WriteStatus(const std::shared_ptr<StatusText>& text);
  Peer PeerOf();
  // record_stream.cc
  void SendRecords();
  void ReadRecords();
  void RecordsRead(const boost::system::error_code& error, std::size_t bytes);
  void StoreRecords();
  void FinishImport();
  void BeginWatch(std::optional<Uuid> vm);
  void WatchForTheEnd();
  // The last line: the connection ends when it is written.
  void Finish(std::string line);
  void Enqueue(std::string line);
  void WriteNext();
  void LimitPatience();
  void End();

  Socket socket_;
  ControlHandler& handler_;
  Closed closed_;
  boost::asio::steady_timer patience_;
  boost::asio::streambuf input_;
  std::deque<std::string> output_;
  std::size_t output_bytes_ = 0;
  bool watching_ = false;
  bool finishing_ = false;
  std::optional<Uuid> watched_;  // nullopt: every VM
  std::uint64_t lost_lines_ = 0;
  char ignored_byte_ = 0;
  std::shared_ptr<RecordSource> source_;  // of an export
  std::uint64_t records_sent_ = 0;
  std::shared_ptr<RecordSink> sink_;  // of an import
  RecordIntake intake_;
  bool said_all_ = false;  // the client, of an import
};

}  // namespace seaward::observe
