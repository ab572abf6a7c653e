// A run with one of everything, for the tests of its reports and of their schema.
#pragma once

#include "host-notifier/chaos/record.h"

namespace seaward::chaos {

inline RunRecord SampleRun() {
  using std::chrono::milliseconds;
  RunRecord run;
  run.scenario = "storm.yaml";
  run.about = "a sample";
  run.vm = "web";
  run.vm_uuid = "00000000-0000-0000-0000-00000000abcd";
  run.seed = 4711;
  run.began = WallTime(std::chrono::seconds(1'700'000'000));
  run.took = milliseconds(36'000);
  run.acts = {{.words = "poison report latent 2 pages",
               .act = Act::kPoison,
               .began = milliseconds(1'000),
               .took = milliseconds(20)},
              {.words = "kill_agent",
               .act = Act::kKillAgent,
               .began = milliseconds(2'000),
               .took = milliseconds(100),
               .end = ActEnd::kSkipped,
               .detail = "no seaward-agent.service runs in the guest"},
              {.words = "reset",
               .act = Act::kReset,
               .began = milliseconds(4'000),
               .took = milliseconds(200)},
              {.words = "settle",
               .act = Act::kSettle,
               .began = milliseconds(6'000),
               .took = milliseconds(30'000),
               .end = ActEnd::kFailed,
               .detail = "not at rest"}};
  run.pages = {{.page = {0x48048000},
                .bad_at = milliseconds(1'010),
                .told = 2,
                .life = "retired",
                .outcome = "retired",
                .final_at = milliseconds(9'000),
                .exposure_us = 1'500},
               {.page = {0x48049000},
                .way = PoisonWay::kHostFrame,
                .evidence = protocol::Evidence::kConsumed,
                .bad_at = milliseconds(1'020),
                .told = 1,
                .life = "deferred",
                .outcome = "deferred"}};
  run.boots = {{.boot_id = "00000000-0000-0000-0000-00000000b007", .at = milliseconds(5'000)}};
  run.checks = {{.name = "one_row"},
                {.name = "verdict", .held = false, .detail = "0x48049000: deferred"}};
  run.news_told = 3;
  return run;
}

}  // namespace seaward::chaos
