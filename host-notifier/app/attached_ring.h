// One attached VMM: its ring, drained in slices so that a busy or hostile VMM delays nobody, and
// the connection that says that it is still there.
//
// Thread: the loop's.
#pragma once

#include <boost/asio/io_context.hpp>
#include <memory>

#include "base/result.h"
#include "host-notifier/loop/fd_watch.h"
#include "host-notifier/loop/loop_timer.h"
#include "host-notifier/ring/attach_listener.h"

namespace seaward {

class AttachedRing;

class RingUser {
 public:
  virtual ~RingUser() = default;
  // One record; release it with AttachedRing::Release once it is durable.
  virtual void RingEventTaken(AttachedRing& from, const ring::RingEvent& event) = 0;
  // Exits that found no room in the ring since the last call.
  virtual void RingLost(AttachedRing& from, std::uint64_t lost) = 0;
  // The VMM's answer to a heal order. False: it was not asked, and is no VMM to go on with.
  virtual bool HealAnswered(AttachedRing& from, const vmm::HealAnswer& answer) = 0;
  // The same for a question where some of its memory is.
  virtual bool PlaceAnswered(AttachedRing& from, const vmm::PlaceAnswer& answer) = 0;
  // The VMM is gone and everything it had published was taken. The ring may be destroyed inside.
  virtual void RingEnded(AttachedRing& from) = 0;
};

class AttachedRing {
 public:
  // Takes nothing before Resume. `user` outlives the ring.
  // Confirms the attachment. `number` tells it apart from every other ring that its user ever has.
  static Result<std::unique_ptr<AttachedRing>> Make(boost::asio::io_context& loop,
                                                    ring::Attachment attachment,
                                                    std::uint64_t number, RingUser& user);

  // Starts taking records, what waited first. May end (and so destroy) the ring inside.
  Status Resume();
  // Leaves records where they are.
  void Pause();
  void Release(ring::RingToken token) { attachment_.ring.Release(token); }
  void Offer(std::uint32_t what) { attachment_.ring.Offer(what); }
  void AnswerHostPage(ring::RingToken token, vmm::HostPage answer) {
    attachment_.ring.AnswerHostPage(token, answer);
  }
  void AnswerHeld(ring::RingToken token, vmm::HeldFor answer) {
    attachment_.ring.AnswerHeld(token, answer);
  }

  bool TakesHealOrders() const { return !ended_ && attachment_.ring.TakesHealOrders(); }
  bool SendHealOrder(const vmm::HealOrder& order) const {
    return !ended_ && attachment_.SendHealOrder(order);
  }
  bool SendPlaceQuestion(const vmm::PlaceQuestion& question) const {
    return !ended_ && attachment_.SendPlaceQuestion(question);
  }

  std::uint64_t number() const { return number_; }
  const ProcessIdentity& process() const { return attachment_.process; }
  uid_t uid() const { return attachment_.uid; }
  ring::RingCounters counters() const { return attachment_.ring.counters(); }
  bool ended() const { return ended_; }

 private:
  AttachedRing(boost::asio::io_context& loop, ring::Attachment attachment, std::uint64_t number,
               RingUser& user)
      : loop_(loop),
        attachment_(std::move(attachment)),
        number_(number),
        user_(user),
        again_(loop) {}
  void Drain();
  void ConnectionReadable();
  void ConnectionEnded();

  boost::asio::io_context& loop_;
  ring::Attachment attachment_;
  const std::uint64_t number_;
  RingUser& user_;
  LoopTimer again_;
  std::unique_ptr<FdWatch> doorbell_;
  std::unique_ptr<FdWatch> connection_;
  std::uint64_t lost_told_ = 0;
  bool running_ = false;
  bool ended_ = false;
};

}  // namespace seaward
