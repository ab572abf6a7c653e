#include "host-notifier/hosttrace/host_trace.h"

#include <unistd.h>

#include <array>
#include <cerrno>

namespace seaward {
namespace {

// Reads per turn of the loop: a host whose memory falls to pieces must not keep it from the rest.
constexpr int kReadsPerTurn = 4;

}  // namespace

Result<std::unique_ptr<HostTrace>> HostTrace::Watch(boost::asio::io_context& loop, UniqueFd pipe,
                                                    Listener listener) {
  std::unique_ptr<HostTrace> trace(new HostTrace(loop, std::move(pipe), std::move(listener)));
  auto watch = FdWatch::Watch(loop, trace->pipe_.get(), [self = trace.get()] { self->Read(); });
  if (!watch) return Forward(watch);
  trace->watch_ = std::move(*watch);
  // What came while nobody watched.
  trace->again_.Start(std::chrono::nanoseconds(0), [self = trace.get()] { self->Read(); });
  return trace;
}

void HostTrace::Read() {
  std::array<char, 4096> chunk;
  for (int reads = 0; reads < kReadsPerTurn; ++reads) {
    const ssize_t n = ::read(pipe_.get(), chunk.data(), chunk.size());
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) {
      watch_.reset();
      return listener_.ended(n == 0 ? Error{ErrorCode::kClosed, 0, "trace_pipe has ended"}
                                    : FailErrno(errno, "trace_pipe").value());
    }
    text_.Feed(std::string_view(chunk.data(), static_cast<std::size_t>(n)),
               [this](const TraceLine& line) {
                 if (const auto* failure = std::get_if<FrameFailure>(&line))
                   return listener_.failed(*failure);
                 listener_.lost(std::get<LostEvents>(line).count);
               });
  }
  again_.Start(std::chrono::nanoseconds(0), [this] { Read(); });
}

}  // namespace seaward
