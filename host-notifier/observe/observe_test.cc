#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "host-notifier/observe/control_request.h"
#include "host-notifier/observe/json_lines.h"
#include "host-notifier/observe/notice.h"
#include "host-notifier/observe/sample_snapshot_fixture.h"

namespace seaward::observe {
namespace {

using nlohmann::json;
using testing::HasSubstr;

std::string Refusal(std::string_view line) {
  const auto request = ParseControlRequest(line);
  return request ? "accepted" : request.error().context;
}

TEST(ControlRequest, UnderstandsEveryRequest) {
  const auto status = ParseControlRequest(R"({"op":"status"})");
  EXPECT_EQ(std::get<StatusRequest>(*status).vm, std::nullopt);
  EXPECT_TRUE(std::get<StatusRequest>(*status).with_pages);
  const auto brief = ParseControlRequest(R"({"op":"status","vm":"g1","pages":false})");
  EXPECT_FALSE(std::get<StatusRequest>(*brief).with_pages);
  const auto watch = ParseControlRequest(R"({"op":"watch","vm":"g1"})");
  EXPECT_EQ(std::get<WatchRequest>(*watch).vm, "g1");
  const auto events = ParseControlRequest(R"({"op":"events","after_id":7,"limit":3})");
  EXPECT_EQ(std::get<EventsRequest>(*events).after_id, 7u);
  EXPECT_EQ(std::get<EventsRequest>(*events).limit, 3u);
  const auto migration = ParseControlRequest(R"({"op":"can_migrate","vm":"g1"})");
  EXPECT_EQ(std::get<MigrationRequest>(*migration).vm, "g1");
  const auto domain = ParseControlRequest(R"({"op":"domain","vm":"g1"})");
  EXPECT_EQ(std::get<DomainRequest>(*domain).vm, "g1");
  const auto report = ParseControlRequest(
      R"({"op":"report","vm":"g1","gpa":"0x4711234","length_bytes":8192,"evidence":"predicted"})");
  const auto& asked = std::get<ReportRequest>(*report);
  EXPECT_EQ(asked.range.start().value, 0x4711000u) << "whole granules";
  EXPECT_EQ(asked.range.length(), 0x3000u);
  EXPECT_EQ(asked.evidence, protocol::Evidence::kPredicted);
}

TEST(ControlRequest, ReportsOneGranuleOfLatentErrorUnlessTold) {
  const auto report = ParseControlRequest(R"({"op":"report","vm":"g1","gpa":"0x4711000"})");
  EXPECT_EQ(std::get<ReportRequest>(*report).range.length(), 4096u);
  EXPECT_EQ(std::get<ReportRequest>(*report).evidence, protocol::Evidence::kLatent);
}

TEST(ControlRequest, AnExplanationIsOfOneVm) {
  const auto explain = ParseControlRequest(R"({"op":"explain","vm":"g1"})");
  EXPECT_EQ(std::get<ExplainRequest>(*explain).vm, "g1");
  EXPECT_THAT(Refusal(R"({"op":"explain"})"), HasSubstr("'vm' is missing"));
}

TEST(ControlRequest, RefusesWhatItDoesNotUnderstand) {
  EXPECT_THAT(Refusal(""), HasSubstr("one JSON object"));
  EXPECT_THAT(Refusal("[1]"), HasSubstr("one JSON object"));
  EXPECT_THAT(Refusal("{}"), HasSubstr("'op' must be text"));
  EXPECT_THAT(Refusal(R"({"op":"exec"})"), HasSubstr("must be status"));
  EXPECT_THAT(Refusal(R"({"op":"status","wm":"g1"})"), HasSubstr("unknown key 'wm'"));
  EXPECT_THAT(Refusal(R"({"op":"status","vm":7})"), HasSubstr("'vm' must be text"));
  EXPECT_THAT(Refusal(R"({"op":"status","vm":""})"), HasSubstr("1 to 255"));
  EXPECT_THAT(Refusal(R"({"op":"status","pages":1})"), HasSubstr("true or false"));
  EXPECT_THAT(Refusal(R"({"op":"domain"})"), HasSubstr("'vm' is missing"));
  EXPECT_THAT(Refusal(R"({"op":"events","limit":0})"), HasSubstr("'limit' must be 1 to"));
  EXPECT_THAT(Refusal(R"({"op":"events","limit":-1})"), HasSubstr("whole number"));
  EXPECT_THAT(Refusal(R"({"op":"report","gpa":"0x1"})"), HasSubstr("'vm' is missing"));
  EXPECT_THAT(Refusal(R"({"op":"report","host_frame":"4711"})"), HasSubstr("not an address"));
  EXPECT_THAT(Refusal(R"({"op":"report","host_frame":"0x0"})"), HasSubstr("must be 0x1 to"));
  EXPECT_THAT(Refusal(R"({"op":"report","host_frame":"0x10000000000"})"),
              HasSubstr("must be 0x1 to"));
  EXPECT_THAT(Refusal(R"({"op":"report","host_frame":"0x1","vm":"g"})"),
              HasSubstr("unknown key 'vm'"));
  EXPECT_THAT(Refusal(R"({"op":"report","vm":"g","gpa":"4711"})"), HasSubstr("not an address"));
  EXPECT_THAT(Refusal(R"({"op":"report","vm":"g","gpa":"0x1","length_bytes":0})"),
              HasSubstr("'length_bytes' must be"));
  EXPECT_THAT(Refusal(R"({"op":"report","vm":"g","gpa":"0x10000000000000"})"),
              HasSubstr("beyond any guest's memory"));
  EXPECT_THAT(Refusal(R"({"op":"report","vm":"g","gpa":"0xffffffffffffffff","length_bytes":2})"),
              HasSubstr("wraps"));
  EXPECT_THAT(Refusal(R"({"op":"report","vm":"g","gpa":"0x1","evidence":"sure"})"),
              testing::Not("accepted"));
  EXPECT_THAT(Refusal(std::string(kMaxRequestBytes + 1, ' ')), HasSubstr("too long"));
  EXPECT_THAT(Refusal(std::string(kMaxRequestBytes, '[')), HasSubstr("one JSON object"));
}

TEST(Notice, IsACloudEventWhoseIdStaysOverAttempts) {
  ledger::DecisionRow row = SamplePolicyReport().decisions[0];
  const json first = json::parse(NoticeJson(row, "host1"));
  EXPECT_EQ(first["specversion"], "1.0");
  EXPECT_EQ(first["id"], "c7a5fdbd-edaf-9455-926a-d65c16db1809-4");
  EXPECT_EQ(first["source"], "/seaward/host1");
  EXPECT_EQ(first["subject"], "c7a5fdbd-edaf-9455-926a-d65c16db1809");
  EXPECT_EQ(first["time"], "2023-11-14T22:13:20.000001Z");
  EXPECT_EQ(first["data"]["vm"], "g1");
  EXPECT_EQ(first["data"]["rule"], "many");
  EXPECT_EQ(first["data"]["attempt"], 2);
  row.attempts = 3;
  const json second = json::parse(NoticeJson(row, "host1"));
  EXPECT_EQ(second["id"], first["id"]);
  EXPECT_EQ(second["data"]["attempt"], 3);
}

TEST(JsonLines, SayAddressesAsTextAndTimesWithTheirUnit) {
  const json page = json::parse(StatusLine(SampleStatus()))["vms"][0]["pages"][0];
  EXPECT_EQ(page["gpa"], "0x48048000");
  EXPECT_EQ(page["host_frame"], "0x12345");
  EXPECT_EQ(page["exposure_us"], 734);
  EXPECT_EQ(page["first_seen_unix_us"], 1700000000000001);
  EXPECT_EQ(page["host_retired"], "pending");
  EXPECT_EQ(page["heal"], "refused");
  EXPECT_EQ(page["heal_reason"], "vfio");
  EXPECT_EQ(page["outcome"], "retired");
  EXPECT_EQ(page["kind"], "anonymous");
}

TEST(JsonLines, SayWhoProtectsThePagesAndWhoLostSome) {
  const json vm = json::parse(StatusLine(SampleStatus()))["vms"][0];
  const json coverage = json::parse(
      R"({"pages":200,"before_kernel":195,"early":1,"run":0,"never":3,"pending":1,"never_why":[)"
      R"({"outcome":"in_kernel","kind":"reserved","pages":2},)"
      R"({"outcome":"not_ram","kind":"reserved","pages":1}]})");
  EXPECT_EQ(vm["coverage"], coverage);
  EXPECT_EQ(vm["boot_list"]["result"], "applied");
  EXPECT_EQ(vm["boot_list"]["protected_pages"], 195);
  EXPECT_EQ(vm["losses"][0]["pid"], 4711);
  EXPECT_EQ(vm["losses"][0]["heard_unix_us"], 1700000000000001);
  EXPECT_EQ(vm["pages"][0]["protected_by"], "run");
  const json gone = json::parse(StatusLine(SampleStatus()))["vms"][1];
  EXPECT_TRUE(gone["coverage"].is_null());
  EXPECT_TRUE(gone["boot_list"].is_null());
  EXPECT_TRUE(gone["losses"].is_null());
}

TEST(JsonLines, SayNullForWhatIsNotKnown) {
  StatusSnapshot brief = SampleStatus();
  brief.with_pages = false;
  brief.vms[0].pages.clear();
  EXPECT_TRUE(json::parse(StatusLine(brief))["vms"][0]["pages"].is_null()) << "not asked for";
  const json status = json::parse(StatusLine(SampleStatus()));
  const json page = status["vms"][0]["pages"][1];
  EXPECT_TRUE(page["outcome"].is_null());
  EXPECT_TRUE(page["exposure_us"].is_null());
  EXPECT_TRUE(page["host_frame"].is_null());
  EXPECT_TRUE(status["vms"][1]["agent"].is_null());
  EXPECT_TRUE(status["vms"][1]["incarnation"].is_null());
  const json event = json::parse(WatchEventLine(kSampleVm, SampleUnlocatedEvent()))["event"];
  EXPECT_TRUE(event["gpa"].is_null());
  EXPECT_TRUE(event["gva"].is_null());
  EXPECT_EQ(event["esr"], "0x92000610");
}

TEST(JsonLines, TellASuspicionFromAPlaceThatKvmNamed) {
  PoisonEvent suspicion = SampleEvent();
  suspicion.suspect = std::exchange(suspicion.range, std::nullopt);
  suspicion.location = Location::kSuspected;
  const json walked = json::parse(WatchEventLine(kSampleVm, suspicion))["event"];
  EXPECT_EQ(walked["location"], "suspected");
  EXPECT_EQ(walked["located_by"], "walk");
  EXPECT_EQ(walked["gpa"], "0x48048000");
  EXPECT_EQ(walked["length_bytes"], 4096);
  EXPECT_EQ(json::parse(WatchEventLine(kSampleVm, SampleEvent()))["event"]["located_by"], "gpa");
  EXPECT_EQ(json::parse(WatchEventLine(kSampleVm, SampleUnlocatedEvent()))["event"]["located_by"],
            "none");
}

TEST(JsonLines, AreOneLineWhateverTheNames) {
  for (const std::string& line :
       {StatusLine(SampleStatus()), ErrorLine({ErrorCode::kIo, 0, "a\nb"}), WatchingLine(),
        WatchLostLine(3), WatchPageLine(SamplePage()), DomainLine(SampleDomainReport()),
        WatchAlarmLine(SampleAlarm())}) {
    EXPECT_EQ(line.find('\n'), std::string::npos);
    EXPECT_TRUE(json::parse(line, nullptr, false).is_object());
  }
}

}  // namespace
}  // namespace seaward::observe
