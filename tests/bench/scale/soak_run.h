// The load of many hours in less time: bursts of bad pages in VMs by chance, guests that boot
// again, memory that is replaced. Nothing of the notifier may grow with it.
//
// One simulated hour is six bursts a VM: what lies between them is nothing, and left out.
#pragma once

#include <chrono>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "tests/bench/scale/guest_fleet.h"
#include "tests/bench/scale/measured_notifier.h"
#include "tests/bench/scale/soak_vmm.h"
#include "tests/support/temp_dir.h"

namespace seaward::bench {

struct SoakPlan {
  std::size_t vms = 200;
  double hours = 6;            // simulated
  unsigned bursts_per_s = 20;  // of all VMs
  std::uint64_t seed = 1;
  std::uint64_t max_rows = 5000;  // what the ledger keeps of each kind of what is over
  std::string programs;           // where seaward-notifier, seawardctl and soak_bench are
};

class SoakRun {
 public:
  SoakRun(const SoakPlan& plan, const Clock& clock);
  SoakRun(const SoakRun&) = delete;
  SoakRun& operator=(const SoakRun&) = delete;

  // The figures of what was done stay after an error.
  Status Measure();
  const nlohmann::json& figures() const { return figures_; }

 private:
  struct Vm {
    std::optional<SoakVmm> vmm;
    std::uint64_t pages = 0;  // of its present memory
  };
  struct Sample {
    double hours;
    double rss_kib;
    double descriptors;
  };

  Status StartFleet();
  Status Burst();
  // A new process holds the VM's memory, and its guest boots.
  Status StartVm(std::size_t number);
  Status BootGuest(std::size_t number);
  Status AllRetired();
  Status KeptWithinBounds();
  Status Await(const char* what, const std::function<bool()>& holds);
  void Count(const char* figure, std::uint64_t more);
  void TakeSample(std::size_t bursts);
  void AddSlopes();
  std::size_t bursts() const;
  std::uint64_t Chance(std::uint64_t below) { return chance_() % below; }

  const SoakPlan plan_;
  const Clock& clock_;
  testing::TempDir dir_;
  GuestFleet fleet_;
  MeasuredNotifier notifier_;
  std::vector<Vm> vms_;
  std::mt19937_64 chance_;
  std::vector<Sample> samples_;
  nlohmann::json figures_;
};

}  // namespace seaward::bench
