// Where VMMs attach: the unix socket, the checks on what arrives, and what comes out of it.
//
// Thread: one, all calls. Nothing here waits, whoever is on the other end.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <variant>

#include "base/clock.h"
#include "base/process_identity.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "base/uuid.h"
#include "host-notifier/ring/fd_disposer.h"
#include "host-notifier/ring/ring_consumer.h"
#include "host-notifier/vmm/attach_message.h"
#include "host-notifier/vmm/heal_message.h"
#include "host-notifier/vmm/place_message.h"

namespace seaward::ring {

// A VMM whose ring passed every check. Whether this process may speak for that VM is not decided
// here: compare `process` with what root owns, then Confirm or drop it with Refuse.
struct Attachment {
  ProcessIdentity process;  // of who connected (SO_PEERCRED), not what it says
  uid_t uid = 0;
  std::optional<Uuid> claimed_vm;
  RingConsumer ring;
  // Readable when the VMM answers, and as soon as it is gone: ReadAnswer tells.
  UniqueFd connection;

  void Confirm() const;
  // Tells the VMM why; close by dropping the attachment.
  void Refuse(vmm::AttachReply reason) const;
  // False when the VMM reads no orders, or not fast enough.
  bool SendHealOrder(const vmm::HealOrder& order) const;
  bool SendPlaceQuestion(const vmm::PlaceQuestion& question) const;
  // Nothing: nothing there yet. An error: the VMM is gone, or says what no VMM says; drop the
  // attachment. Whether it was asked at all is for the caller to know.
  using Answer = std::variant<std::monostate, vmm::HealAnswer, vmm::PlaceAnswer>;
  Result<Answer> ReadAnswer() const;
};

struct ListenerOptions {
  std::string path;      // /run/seaward/attach.sock
  unsigned mode = 0666;  // every uid that runs VMs must get in; who it is is checked later
  std::string proc_root = "/proc";
};

class AttachListener {
 public:
  // Replaces a socket that nobody listens on. kExists when somebody does.
  static Result<AttachListener> Open(const ListenerOptions& options, const Clock& clock);
  AttachListener(AttachListener&&) = default;
  AttachListener& operator=(AttachListener&&) = delete;
  // Removes the socket's path.
  ~AttachListener();

  // Readable while Accept has something to do: for any event loop.
  int fd() const { return epoll_.get(); }

  // Does what is due. A value: somebody attached. An error: somebody was refused, and told so; the
  // text names pid and uid: log it. Nothing: done for now. Call again until nothing comes.
  Result<std::optional<Attachment>> Accept();

  // Connected, but silent so far.
  std::size_t waiting() const { return waiting_.size(); }

 private:
  struct Peer {
    UniqueFd connection;
    ProcessIdentity process;
    uid_t uid = 0;
  };
  AttachListener(ListenerOptions options, const Clock& clock, UniqueFd socket, UniqueFd epoll);
  Status Welcome();
  Result<Attachment> Admit(Peer& peer);
  Result<Attachment> Receive(Peer& peer);

  ListenerOptions options_;
  const Clock* clock_;
  UniqueFd socket_;
  UniqueFd epoll_;
  UniqueFd spare_;  // given up for a moment to refuse a peer when descriptors run out
  std::deque<Peer> waiting_;
  std::unique_ptr<FdDisposer> disposer_;
};

}  // namespace seaward::ring
