// The command table: one JSON object in, one JSON object out. tests/support/testd/README.md lists
// every command. Single-threaded.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/support/testd/machine.h"
#include "tests/support/testd/page_holder.h"
#include "tests/support/testd/victim.h"

namespace seaward::testd {

// What /init did before the server started, for `status`.
struct BootReport {
  BootWishes wishes;
  nlohmann::json early;        // {exit, output} or null
  nlohmann::json bare;         // {pages, refused, took_us, looks_took_us} or null
  nlohmann::json free_frames;  // [["0x..", "0x.."], ...] first and last byte, or null
  pid_t agent = -1;
};

class Commands {
 public:
  explicit Commands(BootReport boot);
  // Never throws: a malformed request gives {"ok": false, "error": ...}. The reply carries the
  // request's "id".
  std::string Answer(const std::string& line);

 private:
  using Json = nlohmann::json;
  using Handler = Result<Json> (Commands::*)(const Json&);

  Result<Json> Status(const Json& request);
  Result<Json> Exec(const Json& request);
  Result<Json> Spawn(const Json& request);
  Result<Json> Wait(const Json& request);
  Result<Json> Kill(const Json& request);
  Result<Json> Pin(const Json& request);
  Result<Json> AgentStart(const Json& request);
  Result<Json> VictimStart(const Json& request);
  Result<Json> VictimTouch(const Json& request);
  Result<Json> VictimSucceed(const Json& request);
  Result<Json> VictimTouchAll(const Json& request);
  Result<Json> VictimLoop(const Json& request);
  Result<Json> VictimWhere(const Json& request);
  Result<Json> Hog(const Json& request);
  Result<Json> FrameFlags(const Json& request);
  Result<Json> FreeFrames(const Json& request);
  Result<Json> FlagsOfAll(const Json& request);
  Result<Json> FindFrame(const Json& request);
  Result<Json> ProcessUsage(const Json& request);
  Result<Json> MoveClock(const Json& request);
  Result<Json> ProcessPages(const Json& request);
  Result<Json> PageHold(const Json& request);
  Result<Json> PageCheck(const Json& request);
  Result<Json> PageWhere(const Json& request);
  Result<Json> PageSignal(const Json& request);
  Result<Json> PageEnd(const Json& request);
  Result<Json> FindFrames(const Json& request);
  Result<Json> FramesOfPrograms(const Json& request);
  Result<Json> KernelLog(const Json& request);
  Result<Json> ThreadSwitches(const Json& request);
  Result<Json> ModuleLoad(const Json& request);
  Result<Json> Read(const Json& request);
  Result<Json> ReadHex(const Json& request);
  Result<Json> TimeReads(const Json& request);
  Result<Json> Write(const Json& request);
  Result<Json> MountOn(const Json& request);
  Result<Json> PortWrite(const Json& request);
  Result<Json> PortHold(const Json& request);
  Result<Json> PortRelease(const Json& request);
  Result<Json> ForwardLine(const Json& request);
  Result<Json> Sysrq(const Json& request);
  Result<Json> RebootNow(const Json& request);
  Result<Json> PowerOffNow(const Json& request);

  static const std::map<std::string, Handler>& Table();

  BootReport boot_;
  Victims victims_;
  PageHolders holders_;
  std::map<std::string, UniqueFd> held_ports_;
};

}  // namespace seaward::testd
