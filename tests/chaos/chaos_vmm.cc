// chaos-vmm: the VMM of a test's VM, as far as the notifier sees it: its channel runs through here
// (channel_proxy.h), its exits are published from here. Obeys orders on its standard input
// (vmm_orders.h), prints one line of JSON for each exit, ends with its input.
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/uuid.h"
#include "seaward/vmm.h"
#include "tests/chaos/channel_proxy.h"

namespace seaward::chaos {
namespace {

// A data abort from user space, located: what a read of poisoned memory gives.
constexpr std::uint64_t kReadAbort = 0x92000010;

struct Detach {
  void operator()(seaward_vmm* vm) const { seaward_detach(vm); }
};
using Ring = std::unique_ptr<seaward_vmm, Detach>;

Ring Attach(const char* socket, const Uuid& vm) {
  seaward_config config{};
  config.struct_size = sizeof config;
  config.attach_socket = socket;
  config.vm_uuid = reinterpret_cast<const std::uint8_t*>(vm.bytes.data());
  seaward_vmm* ring = nullptr;
  if (seaward_attach(&config, &ring) < 0) return nullptr;
  return Ring(ring);
}

seaward_status StatusOf(const Ring& ring) {
  seaward_status status{};
  status.struct_size = sizeof status;
  seaward_get_status(ring.get(), &status);
  return status;
}

// Says at once what became of it, waits for nobody.
void Publish(const Ring& ring, GuestPhysAddr page, std::uint32_t vcpu) {
  const auto before = StatusOf(ring);
  seaward_exit exit{};
  exit.struct_size = sizeof exit;
  exit.vcpu = vcpu;
  exit.flags = SEAWARD_EXIT_GPA_VALID;
  exit.esr = kReadAbort;
  exit.gpa = page.value;
  exit.when_ns = static_cast<std::uint64_t>(SystemClock().Now().time_since_epoch().count());
  seaward_publish(ring.get(), &exit);
  const auto after = StatusOf(ring);
  std::printf("{\"gpa\": \"%s\", \"taken\": %" PRIu64 ", \"lost\": %" PRIu64 "}\n",
              FormatAddress(page.value).c_str(),
              after.published + after.coalesced - before.published - before.coalesced,
              after.lost - before.lost);
  std::fflush(stdout);
}

void Obey(const std::string& line, ChannelProxy& channel, const Ring& ring) {
  const auto order = ParseVmmOrder(line);
  if (!order) {
    std::fprintf(stderr, "chaos-vmm: no order: %s\n", line.c_str());
  } else if (order->kind == VmmOrder::Kind::kPublish) {
    Publish(ring, order->page, order->vcpu);
  } else {
    channel.Obey(*order);
  }
}

// False: nobody orders any more.
bool ReadOrders(std::string& unfinished, ChannelProxy& channel, const Ring& ring) {
  std::array<char, 65536> bytes;
  const ssize_t n = ::read(STDIN_FILENO, bytes.data(), bytes.size());
  if (n <= 0) return n < 0 && errno == EINTR;
  unfinished.append(bytes.data(), static_cast<std::size_t>(n));
  for (auto end = unfinished.find('\n'); end != std::string::npos; end = unfinished.find('\n')) {
    const std::string line = unfinished.substr(0, end);
    unfinished.erase(0, end + 1);
    Obey(line, channel, ring);
  }
  return true;
}

void Run(ChannelProxy& channel, const Ring& ring) {
  std::string unfinished;
  while (true) {
    pollfd orders{STDIN_FILENO, POLLIN, 0};
    pollfd wires[ChannelProxy::kWaits];
    channel.Prepare(wires);
    std::array<pollfd, ChannelProxy::kWaits + 1> all{orders, wires[0], wires[1], wires[2]};
    if (::poll(all.data(), all.size(), -1) < 0) continue;
    if (all[0].revents != 0) {
      if (!ReadOrders(unfinished, channel, ring)) return;
      continue;  // the channel may have been cut
    }
    for (std::size_t i = 0; i < ChannelProxy::kWaits; ++i) wires[i] = all[i + 1];
    channel.Serve(wires);
  }
}

int Main(int argc, char** argv) {
  const auto vm = argc == 5 ? ParseUuid(argv[4]) : Result<Uuid>(Fail(ErrorCode::kInvalid, ""));
  if (!vm) {
    std::fputs("usage: chaos-vmm CHANNEL GUESTS_END ATTACH_SOCKET VM\n", stderr);
    return 2;
  }
  auto channel = ChannelProxy::Listen(argv[1], argv[2]);
  const Ring ring = Attach(argv[3], *vm);
  if (!channel || !ring) {
    std::fputs("chaos-vmm: cannot listen or attach\n", stderr);
    return 1;
  }
  Run(*channel, ring);
  return 0;
}

}  // namespace
}  // namespace seaward::chaos

int main(int argc, char** argv) {
  return seaward::chaos::Main(argc, argv);
}
