#include "host-notifier/libvirt/libvirt_source.h"

#include <utility>

#include "host-notifier/libvirt/event_thread.h"
#include "host-notifier/libvirt/libvirt_link.h"
#include "host-notifier/libvirt/stream_pump.h"

namespace seaward {
namespace {

// Made and destroyed on the libvirt thread.
using LinkSlot = std::shared_ptr<std::unique_ptr<LibvirtLink>>;

class StreamChannel final : public ByteChannel {
 public:
  StreamChannel(EventThread& thread, LoopPoster<ChannelListener> poster)
      : thread_(thread),
        poster_(std::move(poster)),
        pump_(std::make_shared<StreamPump>(thread, poster_)) {}
  ~StreamChannel() override {
    poster_.Detach();
    thread_.Post([pump = pump_] { pump->Finish(Error{ErrorCode::kClosed, 0, "closed by us"}); });
  }
  bool Send(std::span<const std::byte> bytes) override {
    if (!pump_->Queue(bytes)) return false;
    thread_.Post([pump = pump_] { pump->Flush(); });
    return true;
  }
  void SetReading(bool reading) override { pump_->SetReading(reading); }
  const std::shared_ptr<StreamPump>& pump() const { return pump_; }

 private:
  EventThread& thread_;
  const LoopPoster<ChannelListener> poster_;
  const std::shared_ptr<StreamPump> pump_;
};

}  // namespace

struct LibvirtSource::Parts {
  Parts(boost::asio::io_context& on_loop, DomainListener& to, std::unique_ptr<EventThread> runs_on)
      : loop(on_loop), poster(on_loop, to), thread(std::move(runs_on)) {}
  boost::asio::io_context& loop;
  const LoopPoster<DomainListener> poster;
  const LinkSlot link = std::make_shared<std::unique_ptr<LibvirtLink>>();
  const std::unique_ptr<EventThread> thread;
};

LibvirtSource::LibvirtSource(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

Result<std::unique_ptr<LibvirtSource>> LibvirtSource::Start(boost::asio::io_context& loop,
                                                            LibvirtOptions options,
                                                            DomainListener& listener) {
  auto thread = EventThread::Start();
  if (!thread) return Forward(thread);
  auto parts = std::make_unique<Parts>(loop, listener, std::move(*thread));
  parts->thread->Post([link = parts->link, runs_on = parts->thread.get(),
                       options = std::move(options), poster = parts->poster] {
    *link = std::make_unique<LibvirtLink>(*runs_on, options, poster);
    (*link)->Start();
  });
  return std::unique_ptr<LibvirtSource>(new LibvirtSource(std::move(parts)));
}

LibvirtSource::~LibvirtSource() {
  Stop(std::chrono::seconds(2));
}

bool LibvirtSource::Stop(std::chrono::milliseconds patience) {
  parts_->poster.Detach();
  parts_->thread->Post([link = parts_->link] { link->reset(); });
  return parts_->thread->Stop(patience);
}

std::unique_ptr<ByteChannel> LibvirtSource::OpenChannel(const Uuid& domain,
                                                        ChannelListener& listener) {
  auto channel = std::make_unique<StreamChannel>(
      *parts_->thread, LoopPoster<ChannelListener>(parts_->loop, listener));
  parts_->thread->Post([link = parts_->link, domain, pump = channel->pump()] {
    if (*link) (*link)->OpenStream(domain, pump);
  });
  return channel;
}

template <class Answer>
void LibvirtSource::Ask(std::function<Answer(LibvirtLink&)> question,
                        std::function<void(Answer)> done) {
  parts_->thread->Post([link = parts_->link, poster = parts_->poster,
                        question = std::move(question), done = std::move(done)] {
    if (!*link) return;
    // Through the listener's poster only for its silence after Stop.
    poster.Call([done, answer = question(**link)](DomainListener&) { done(answer); });
  });
}

void LibvirtSource::FetchXml(const std::string& name_or_uuid,
                             std::function<void(Result<DomainXml>)> done) {
  Ask<Result<DomainXml>>([name_or_uuid](LibvirtLink& link) { return link.FetchXml(name_or_uuid); },
                         std::move(done));
}

void LibvirtSource::WriteMark(const Uuid& domain, const DomainMark& mark,
                              std::function<void(Status)> done) {
  Ask<Status>([domain, mark](LibvirtLink& link) { return link.WriteMark(domain, mark); },
              std::move(done));
}

void LibvirtSource::Look(const Uuid& domain, std::function<void(Result<DomainState>)> done) {
  Ask<Result<DomainState>>([domain](LibvirtLink& link) { return link.Look(domain); },
                           std::move(done));
}

void LibvirtSource::Give(const Uuid& domain, DomainOrder order, std::function<void(Status)> done) {
  Ask<Status>([domain, order](LibvirtLink& link) { return link.Give(domain, order); },
              std::move(done));
}

void LibvirtSource::StartDomain(const Uuid& domain, const std::string& xml,
                                std::function<void(Status)> done) {
  Ask<Status>([domain, xml](LibvirtLink& link) { return link.StartDomain(domain, xml); },
              std::move(done));
}

}  // namespace seaward
