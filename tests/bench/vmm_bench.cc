// What the interposer costs a KVM_RUN that returns for the VMM's own reasons (an MMIO exit), over a
// KVM that does nothing, beside that KVM's own empty call, in one run. Prints the report; with a
// path as its argument also writes it there.
//
// Keys, nanoseconds: kvm_run_overhead_ns (what the interposer adds), empty_call_ns, kvm_run_ns.
#include <benchmark/benchmark.h>

#include <cerrno>
#include <fstream>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "host-notifier/vmm/interposer.h"
#include "host-notifier/vmm/kvm_abi.h"

namespace seaward::vmm {
namespace {

constexpr int kVm = 10;
constexpr int kVcpu = 11;
constexpr int kRepetitions = 15;

// One VM with one vCPU, whose every KVM_RUN ends at once with an MMIO exit.
class IdleKvm final : public KvmCalls {
 public:
  int Ioctl(int, std::uint32_t request, void*) noexcept override {
    if (request == kvm::kRun) {
      page_.exit_reason = KVM_EXIT_MMIO;
      benchmark::ClobberMemory();
      return 0;
    }
    return request == kvm::kCreateVm ? kVm : request == kvm::kCreateVcpu ? kVcpu : 0;
  }
  kvm_run* MapRun(int) noexcept override { return &page_; }
  void UnmapRun(kvm_run*) noexcept override {}
  FdIdentity Identify(int) noexcept override { return {}; }
  bool ReadMemory(HostVirtAddr, std::span<std::byte>) noexcept override { return false; }
  void JudgePages(std::span<PageToReplace>, Look) override {}
  std::size_t PageBytes() noexcept override { return kPoisonGranule; }
  int SetAside(const PageToReplace&, std::size_t) noexcept override { return ENOSYS; }
  MonoTime Now() noexcept override { return {}; }
  void Rest(std::chrono::milliseconds) noexcept override {}
  void Say(LogLevel, std::string_view) noexcept override {}

 private:
  kvm_run page_{};
};

class NoSinks final : public ExitSinkFactory {
 public:
  std::unique_ptr<ExitSink> Open(HealOrderTaker&) override { return nullptr; }
};

void EmptyCall(benchmark::State& state) {
  IdleKvm kvm;
  KvmCalls* calls = &kvm;
  benchmark::DoNotOptimize(calls);
  for (auto _ : state) benchmark::DoNotOptimize(calls->Ioctl(kVcpu, kvm::kRun, nullptr));
}

void KvmRun(benchmark::State& state) {
  IdleKvm kvm;
  NoSinks sinks;
  const auto interposer = std::make_unique<Interposer>(kvm, sinks, InterposerOptions{});
  interposer->Ioctl(3, kvm::kCreateVm, nullptr);
  interposer->Ioctl(kVm, kvm::kCreateVcpu, nullptr);
  for (auto _ : state) benchmark::DoNotOptimize(interposer->Ioctl(kVcpu, kvm::kRun, nullptr));
}

// Keeps the medians.
class Medians final : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context&) override { return true; }
  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs)
      if (run.aggregate_name == "median")
        ns_[run.run_name.function_name] = run.GetAdjustedRealTime();
  }
  double of(const std::string& name) const { return ns_.at(name); }

 private:
  std::map<std::string, double> ns_;
};

nlohmann::json Measure() {
  benchmark::RegisterBenchmark("empty", EmptyCall)->Repetitions(kRepetitions);
  benchmark::RegisterBenchmark("run", KvmRun)->Repetitions(kRepetitions);
  // Repetitions are interleaved: the machine's mood hits both alike.
  std::string words[] = {"vmm_bench", "--benchmark_enable_random_interleaving=true"};
  char* arguments[] = {words[0].data(), words[1].data(), nullptr};
  int count = 2;
  benchmark::Initialize(&count, arguments);
  Medians medians;
  benchmark::RunSpecifiedBenchmarks(&medians);
  return {{"kvm_run_overhead_ns", medians.of("run") - medians.of("empty")},
          {"empty_call_ns", medians.of("empty")},
          {"kvm_run_ns", medians.of("run")},
          {"repetitions", kRepetitions}};
}

}  // namespace
}  // namespace seaward::vmm

int main(int argc, char** argv) {
  if (argc > 2) {
    std::cerr << "usage: vmm_bench [FILE]\n";
    return 2;
  }
  const nlohmann::json report = seaward::vmm::Measure();
  std::cout << report.dump(2) << '\n';
  if (argc == 2 && !(std::ofstream(argv[1]) << report.dump(2) << '\n')) {
    std::cerr << "vmm_bench: error: cannot write " << argv[1] << '\n';
    return 1;
  }
  return 0;
}
