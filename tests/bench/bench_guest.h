// What the guests have in common in which something is timed.
#pragma once

namespace seaward::bench {

// A server's processor whose kernel keeps its page tables in system calls. That of the default,
// Cortex-A72, changes them for each (KPTI), and an emulator forgets all it knew of them then.
inline constexpr const char* kBenchCpu = "neoverse-n1";
// "Memory failure: ..." lines on an emulated serial console make bulk retirement five times slower.
inline constexpr unsigned kLoglevel = 1;
// The port of bare_agent.c.
inline constexpr const char* kBarePort = "org.seaward.bare.0";

}  // namespace seaward::bench
