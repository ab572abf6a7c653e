#include "host-notifier/metrics/metrics_text.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <map>
#include <sstream>

namespace seaward::metrics {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;
using observe::VmSnapshot;

double Seconds(std::chrono::nanoseconds duration) {
  return std::chrono::duration<double>(duration).count();
}

// The families in the order in which they were named.
class Page {
 public:
  MetricFamily& Family(MetricType type, const std::string& name, const std::string& help) {
    families_.push_back({"seaward_" + name, help, type, {}});
    return families_.back();
  }
  void Gauge(const std::string& name, const std::string& help, double value, Labels labels = {}) {
    Add(Family(MetricType::Gauge, name, help), std::move(labels), value);
  }
  void Counter(const std::string& name, const std::string& help, double value) {
    Add(Family(MetricType::Counter, name, help), {}, value);
  }
  static void Add(MetricFamily& family, Labels labels, double value) {
    ClientMetric metric;
    metric.label = std::move(labels);
    metric.gauge.value = metric.counter.value = value;  // the family's type chooses
    family.metric.push_back(std::move(metric));
  }
  void Histogram(const std::string& name, const std::string& help, const DurationHistogram& of) {
    ClientMetric metric;
    metric.histogram.sample_count = of.count();
    metric.histogram.sample_sum = Seconds(of.sum());
    for (const auto& bucket : of.buckets())
      metric.histogram.bucket.push_back({bucket.cumulative, Seconds(bucket.upper_bound)});
    Family(MetricType::Histogram, name, help).metric.push_back(std::move(metric));
  }
  std::string Text() const {
    std::ostringstream out;
    prometheus::TextSerializer().Serialize(out, families_);
    return out.str();
  }

 private:
  std::vector<MetricFamily> families_;
};

// A name may be taken again under another UUID.
Labels LabelsOf(const ledger::VmIdentity& vm, Labels more = {}) {
  Labels labels{{"vm", vm.name}, {"vm_uuid", FormatUuid(vm.uuid)}};
  labels.insert(labels.end(), more.begin(), more.end());
  return labels;
}

template <class Value>
void PerVm(Page& page, MetricType type, const std::string& name, const std::string& help,
           const std::vector<VmSnapshot>& vms, Value value) {
  MetricFamily& family = page.Family(type, name, help);
  for (const VmSnapshot& vm : vms)
    Page::Add(family, LabelsOf(vm.vm), static_cast<double>(value(vm)));
}

void AddEvents(Page& page, const std::vector<VmSnapshot>& vms) {
  MetricFamily& family = page.Family(MetricType::Counter, "events_total",
                                     "Exits and reports, by what is known of their place.");
  for (const VmSnapshot& vm : vms)
    for (const auto& [kind, count] :
         {std::pair("located", vm.events.located), std::pair("suspected", vm.events.suspected),
          std::pair("gva_only", vm.events.gva_only), std::pair("unlocated", vm.events.unlocated)})
      Page::Add(family, LabelsOf(vm.vm, {{"kind", kind}}), static_cast<double>(count));
  PerVm(page, MetricType::Counter, "coalesced_exits_total",
        "Exits that repeated one not yet read, and were counted in its record.", vms,
        [](const VmSnapshot& vm) { return vm.ring.coalesced; });
  PerVm(page, MetricType::Counter, "lost_exits_total",
        "Exits that found their ring full: bad pages may be unknown.", vms,
        [](const VmSnapshot& vm) { return vm.ring.lost; });
  PerVm(page, MetricType::Counter, "failed_injections_total",
        "Exits whose abort KVM refused to inject.", vms,
        [](const VmSnapshot& vm) { return vm.ring.failed_injections; });
  PerVm(page, MetricType::Counter, "native_fallbacks_total",
        "Held vCPUs that were told in another way after all.", vms,
        [](const VmSnapshot& vm) { return vm.ring.native_fallbacks; });
  PerVm(page, MetricType::Counter, "holds_total", "vCPUs that waited for the guest's verdict.", vms,
        [](const VmSnapshot& vm) { return vm.ring.holds_begun; });
  MetricFamily& ends = page.Family(MetricType::Counter, "hold_ends_total",
                                   "How that ended; the others ended for another reason.");
  for (const VmSnapshot& vm : vms)
    for (const auto& [end, count] : {std::pair("answered", vm.ring.holds_answered),
                                     std::pair("timed_out", vm.ring.holds_timed_out)})
      Page::Add(ends, LabelsOf(vm.vm, {{"end", end}}), static_cast<double>(count));
  PerVm(page, MetricType::Counter, "protocol_faults_total",
        "Bytes of a guest that the protocol does not allow.", vms,
        [](const VmSnapshot& vm) { return vm.protocol_faults; });
  PerVm(page, MetricType::Gauge, "overdue_verdicts",
        "Bad pages of which the guest has said nothing for too long.", vms,
        [](const VmSnapshot& vm) { return vm.overdue_verdicts; });
}

void AddHeals(Page& page, const std::vector<VmSnapshot>& vms) {
  PerVm(page, MetricType::Counter, "healed_pages_total",
        "Bad pages that are good memory again in the running VM.", vms,
        [](const VmSnapshot& vm) { return vm.heals.healed; });
  MetricFamily& family = page.Family(MetricType::Counter, "heal_refusals_total",
                                     "Bad pages that were to be replaced and were not.");
  for (const VmSnapshot& vm : vms)
    for (const auto& [reason, count] : vm.heals.refusals)
      Page::Add(family, LabelsOf(vm.vm, {{"reason", reason}}), static_cast<double>(count));
}

bool HasAlarm(const VmSnapshot& vm, ledger::AlarmKind kind) {
  return std::ranges::any_of(vm.alarms, [&](const auto& alarm) { return alarm.kind == kind; });
}

void AddVms(Page& page, const std::vector<VmSnapshot>& vms) {
  PerVm(page, MetricType::Gauge, "vm_unattached",
        "1: the VM runs, and nobody publishes its memory errors.", vms,
        [](const VmSnapshot& vm) { return HasAlarm(vm, ledger::AlarmKind::kUnattached); });
  PerVm(page, MetricType::Gauge, "vm_unsafe_to_migrate",
        "1: migrate, save, dump and memory snapshots would read bad memory.", vms,
        [](const VmSnapshot& vm) { return !vm.migration.safe; });
  std::map<std::string, double> sessions;
  for (const VmSnapshot& vm : vms) ++sessions[vm.session];
  MetricFamily& family =
      page.Family(MetricType::Gauge, "sessions", "Sessions with guests, by their phase.");
  for (const auto& [phase, count] : sessions) Page::Add(family, {{"phase", phase}}, count);
}

// Unretired: wanted, and not out of use in this boot of the guest.
bool IsUnretired(ledger::PageLife life) {
  return ledger::IsWanted(life) && life != ledger::PageLife::kRetired &&
         life != ledger::PageLife::kExcluded;
}

struct PagesOfVm {
  std::map<ledger::PageLife, double> lives;
  std::map<ledger::Protection, double> protections;
  double unretired = 0;
  double oldest_s = 0;
};

void AddPages(Page& page, const MetricsSnapshot& snapshot) {
  MetricFamily& lives = page.Family(MetricType::Gauge, "pages", "Bad pages, by their life.");
  MetricFamily& protections =
      page.Family(MetricType::Gauge, "page_protection", "Bad pages, by who protects them.");
  std::map<Uuid, PagesOfVm> pages_of;
  for (const ledger::PageCount& count : snapshot.pages) {
    PagesOfVm& of_vm = pages_of[count.vm];
    const auto pages = static_cast<double>(count.pages);
    of_vm.lives[count.life] += pages;
    of_vm.protections[count.protection] += pages;
    if (!IsUnretired(count.life)) continue;
    of_vm.unretired += pages;
    of_vm.oldest_s = std::max(of_vm.oldest_s, Seconds(snapshot.now - count.oldest));
  }
  for (const VmSnapshot& vm : snapshot.status.vms) {
    PagesOfVm& of_vm = pages_of[vm.vm.uuid];
    for (const auto& [life, pages] : of_vm.lives)
      Page::Add(lives, LabelsOf(vm.vm, {{"life", std::string(ledger::ToString(life))}}), pages);
    for (const ledger::Protection by : ledger::kAllProtections)
      Page::Add(protections, LabelsOf(vm.vm, {{"by", std::string(ledger::ToString(by))}}),
                of_vm.protections[by]);
  }
  PerVm(page, MetricType::Gauge, "unretired_pages", "Bad pages that the guest may still use.",
        snapshot.status.vms, [&](const VmSnapshot& vm) { return pages_of[vm.vm.uuid].unretired; });
  PerVm(page, MetricType::Gauge, "oldest_unretired_page_seconds",
        "Since the first error of the oldest of them; 0: there is none.", snapshot.status.vms,
        [&](const VmSnapshot& vm) { return pages_of[vm.vm.uuid].oldest_s; });
}

void AddGuests(Page& page, const std::vector<VmSnapshot>& vms) {
  PerVm(page, MetricType::Counter, "page_losses_total",
        "Processes that lost a page, by their guest's word.", vms,
        [](const VmSnapshot& vm) { return vm.page_losses; });
  MetricFamily& family =
      page.Family(MetricType::Gauge, "boot_list",
                  "1: what became of the guest's list of pages to keep from its kernel.");
  for (const VmSnapshot& vm : vms)
    if (vm.boot_list)
      Page::Add(family, LabelsOf(vm.vm, {{"result", std::string(ToString(vm.boot_list->result))}}),
                1);
}

void AddNotifier(Page& page, const MetricsSnapshot& snapshot) {
  const observe::StatusSnapshot& status = snapshot.status;
  page.Gauge("build_info", "Always 1.", 1, {{"version", SEAWARD_VERSION}});
  MetricFamily& attaches = page.Family(MetricType::Counter, "attaches_total",
                                       "VMMs that came to attach, by what they were told.");
  for (const auto& [result, count] :
       {std::pair("accepted", status.attaches), std::pair("refused", status.attaches_refused),
        std::pair("early", status.attaches_early)})
    Page::Add(attaches, {{"result", result}}, static_cast<double>(count));
  page.Gauge("libvirt_connected", "1: libvirt is reached, or the configuration says none.",
             status.libvirt_connected || !status.libvirt_enabled);
  page.Counter("libvirt_losses_total", "Connections to libvirtd that broke.",
               static_cast<double>(status.libvirt_losses));
  page.Gauge("ledger_writable", "1: the last write of the ledger succeeded.",
             status.ledger_error.empty());
  const auto& rebuild = status.rebuild;
  page.Counter("ledger_rebuilt_pages_total",
               "Bad pages that guests brought back after the ledger was corrupt.",
               static_cast<double>(rebuild ? rebuild->pages : 0));
  page.Gauge("ledger_rebuild_vms_to_ask",
             "VMs that run since before the ledger was corrupt, and have not said what they know.",
             static_cast<double>(rebuild ? rebuild->vms_to_ask : 0));
  page.Gauge("ledger_waiting_writes", "Writes that wait for the disk.",
             static_cast<double>(snapshot.waiting_writes));
}

void AddHostErrors(Page& page, const observe::StatusSnapshot& status) {
  page.Gauge("host_trace_open", "1: errors that the host's kernel meets by itself are heard.",
             status.host_trace_open);
  MetricFamily& family =
      page.Family(MetricType::Counter, "host_errors_total",
                  "Bad frames of the host that were named, by what became of them.");
  const observe::FrameCounts& frames = status.frames;
  for (const auto& [result, count] :
       {std::pair("located", frames.located), std::pair("placeless", frames.placeless),
        std::pair("of_no_vm", frames.of_no_vm), std::pair("echo", frames.echoes),
        std::pair("repeat", frames.repeats), std::pair("dropped", frames.dropped),
        std::pair("lost", frames.lost)})
    Page::Add(family, {{"result", result}}, static_cast<double>(count));
}

void AddActions(Page& page, const MetricsSnapshot& snapshot) {
  MetricFamily& family = page.Family(MetricType::Counter, "actions_total",
                                     "Actions of the policy that are over, by how they ended.");
  for (const auto& [kind, count] : snapshot.actions)
    Page::Add(family, {{"action", kind.first}, {"state", kind.second}}, static_cast<double>(count));
  page.Gauge("open_actions", "Actions of the policy that are to be done, or under way.",
             static_cast<double>(snapshot.open_actions));
}

}  // namespace

std::string MetricsText(const MetricsSnapshot& snapshot, const Measurements& measurements) {
  Page page;
  AddNotifier(page, snapshot);
  page.Histogram("ledger_commit_seconds", "Time of one commit of the ledger.", measurements.commit);
  AddEvents(page, snapshot.status.vms);
  AddPages(page, snapshot);
  page.Histogram("exposure_seconds", "From the exit to the first verdict retired.",
                 measurements.exposure);
  AddHeals(page, snapshot.status.vms);
  AddVms(page, snapshot.status.vms);
  AddGuests(page, snapshot.status.vms);
  AddActions(page, snapshot);
  AddHostErrors(page, snapshot.status);
  return page.Text();
}

}  // namespace seaward::metrics
