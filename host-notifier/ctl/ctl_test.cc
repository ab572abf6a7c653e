// seawardctl and the control socket against each other, with canned answers behind them.
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <utility>  // before Asio: Boost 1.74 forgets it under C++20

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <future>
#include <nlohmann/json.hpp>
#include <thread>

#include "host-notifier/ctl/commands.h"
#include "host-notifier/ctl/control_client.h"
#include "host-notifier/observe/control_server.h"
#include "host-notifier/observe/record_lines.h"
#include "host-notifier/observe/sample_snapshot_fixture.h"

namespace seaward::ctl {
namespace {

using nlohmann::json;
using observe::ControlServer;
using testing::HasSubstr;
using testing::Not;

// A ledger of VMs' names: takes what it is given, except "odd", and gives it back.
class CannedRecords final : public observe::RecordSource, public observe::RecordSink {
 public:
  explicit CannedRecords(std::vector<ledger::LedgerRecord>& records) : records_(records) {}
  void Next(std::function<void(Result<std::vector<ledger::LedgerRecord>>)> done) override {
    const std::size_t some = std::min<std::size_t>(records_.size() - given_, 100);
    const auto from = records_.begin() + static_cast<std::ptrdiff_t>(given_);
    given_ += some;
    done(std::vector(from, from + static_cast<std::ptrdiff_t>(some)));
  }
  void Take(std::vector<ledger::LedgerRecord> records,
            std::function<void(Result<std::vector<ledger::ImportedRecord>>)> done) override {
    std::vector<ledger::ImportedRecord> outcomes;
    for (ledger::LedgerRecord& record : records) {
      const bool odd = record.Text("name") == "odd";
      outcomes.push_back({odd ? ledger::ImportOutcome::kRefused : ledger::ImportOutcome::kAdded,
                          odd ? "odd" : ""});
      if (!odd) records_.push_back(std::move(record));
    }
    done(std::move(outcomes));
  }
  void Finish(const observe::ImportResult&, std::function<void(Status)> done) override { done({}); }

 private:
  std::vector<ledger::LedgerRecord>& records_;
  std::size_t given_ = 0;
};

class CannedNotifier final : public observe::ControlHandler {
 public:
  void GetStatus(const observe::StatusRequest& request,
                 std::function<void(Result<observe::StatusSnapshot>)> done) override {
    if (request.vm && *request.vm != "g1") return done(Unknown());
    done(observe::SampleStatus());
  }
  void GetEvents(const observe::EventsRequest& request,
                 std::function<void(Result<observe::EventsSnapshot>)> done) override {
    observe::EventsSnapshot rows;
    rows.alarms = {observe::SampleAlarm()};
    for (std::uint64_t id = 1; id <= request.limit; ++id)
      rows.events.push_back(
          {id, observe::kSampleVm, observe::kSampleVm.uuid, 7, observe::SampleEvent()});
    done(std::move(rows));
  }
  void Report(const observe::ReportRequest& request,
              std::function<void(Result<observe::ReportResult>)> done) override {
    if (request.vm == "full") return done(Fail(ErrorCode::kNoSpace, "the disk is full"));
    if (request.vm != "g1") return done(Unknown());
    done(observe::ReportResult{observe::kSampleVm, {9, request.range, request.evidence}, true});
  }
  void ReportFrame(const observe::ReportFrameRequest& request,
                   std::function<void(Result<observe::FrameReport>)> done) override {
    observe::FrameReport report;
    report.frame = request.frame;
    if (request.frame.number == 0x1) return done(Fail(ErrorCode::kInvalid, "no VM has it"));
    report.retired = request.frame.number == 0x2;
    if (report.retired) return done(report);
    report.pages = {{observe::kSampleVm,
                     {9, ByteRange::Granule(GuestPhysAddr{0x4000}), request.evidence},
                     false}};
    report.placeless = {{Uuid{}, "g2"}};
    done(report);
  }
  void JudgeMigration(const observe::MigrationRequest& request,
                      std::function<void(Result<observe::MigrationReport>)> done) override {
    if (request.vm != "g1") return done(Unknown());
    done(observe::MigrationReport{
        observe::kSampleVm, true,
        whole_ ? observe::MigrationState{} : observe::SampleStatus().vms[0].migration});
  }
  void Explain(const observe::ExplainRequest& request,
               std::function<void(Result<observe::PolicyReport>)> done) override {
    if (request.vm != "g1") return done(Unknown());
    done(observe::SamplePolicyReport());
  }
  void ExamineDomain(const observe::DomainRequest& request,
                     std::function<void(Result<observe::DomainReport>)> done) override {
    if (request.vm == "away") return done(Fail(ErrorCode::kClosed, "libvirtd is out of reach"));
    if (request.vm != "g1") return done(Unknown());
    observe::DomainReport report = observe::SampleDomainReport();
    if (whole_) report.findings.resize(1);
    done(std::move(report));
  }
  void DomainBecomesWhole() { whole_ = true; }
  void Clear(const observe::ClearRequest& request, const observe::Peer& peer,
             std::function<void(Result<observe::ClearResult>)> done) override {
    if (request.vm != "g1") return done(Unknown());
    EXPECT_EQ(peer.uid, ::geteuid());
    EXPECT_EQ(peer.pid, ::getpid());
    EXPECT_EQ(request.who, "ann");
    EXPECT_EQ(request.reason, "DIMM replaced");
    done(observe::ClearResult{observe::kSampleVm, {observe::SamplePage()}});
  }
  void Replay(const observe::ReplayRequest& request, const observe::Peer&,
              std::function<void(Result<observe::ReplayResult>)> done) override {
    if (request.vm != "g1") return done(Unknown());
    done(observe::ReplayResult{observe::kSampleVm, 2, whole_});
  }
  void Drain(const observe::DrainRequest& request, const observe::Peer&,
             std::function<void(Result<observe::DrainResult>)> done) override {
    observe::DrainResult result = observe::SampleDrain();
    result.drained = request.wait > std::chrono::seconds(1) && !request.end;
    done(result);
  }
  void GetAudit(const observe::AuditRequest& request,
                std::function<void(Result<observe::AuditSnapshot>)> done) override {
    done(observe::AuditSnapshot{{request.limit, observe::SampleAudit()}});
  }
  void BeginExport(
      std::function<void(Result<std::shared_ptr<observe::RecordSource>>)> done) override {
    done(std::make_shared<CannedRecords>(imported_));
  }
  std::shared_ptr<observe::RecordSink> BeginImport(const observe::ImportRequest&,
                                                   const observe::Peer&) override {
    return std::make_shared<CannedRecords>(imported_);
  }
  void FindVm(const std::string& name,
              std::function<void(Result<ledger::VmIdentity>)> done) override {
    if (name != "g1") return done(Unknown());
    done(observe::kSampleVm);
  }

 private:
  bool whole_ = false;
  std::vector<ledger::LedgerRecord> imported_;
  static tl::unexpected<Error> Unknown() { return Fail(ErrorCode::kNotFound, "no such VM"); }
};

class Ctl : public testing::Test {
 protected:
  Ctl() : work_(loop_.get_executor()) {
    std::string pattern = "/tmp/swc.XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    command_.socket = folder_ + "/s";
    command_.limit = 100;
    server_ = ControlServer::Open(loop_, command_.socket, notifier_).value();
    thread_ = std::thread([this] { loop_.run(); });
  }
  ~Ctl() override {
    NotifierStops();
    work_.reset();
    thread_.join();
    std::filesystem::remove_all(folder_);
  }

  void OnLoop(const std::function<void()>& work) {
    std::promise<void> done;
    boost::asio::post(loop_, [&] {
      work();
      done.set_value();
    });
    done.get_future().wait();
  }
  void NotifierStops() {
    OnLoop([this] { server_.reset(); });
  }
  // Runs seawardctl; its output is in out_ and err_.
  int Run(const std::string& op) {
    command_.op = op;
    char* out = nullptr;
    char* err = nullptr;
    std::size_t size = 0;
    std::FILE* out_file = ::open_memstream(&out, &size);
    std::FILE* err_file = ::open_memstream(&err, &size);
    const int code = ctl::Run(command_, out_file, err_file);
    std::fclose(out_file);
    std::fclose(err_file);
    out_ = out;
    err_ = err;
    ::free(out);
    ::free(err);
    return code;
  }

  boost::asio::io_context loop_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  CannedNotifier notifier_;
  std::unique_ptr<ControlServer> server_;
  std::thread thread_;
  std::string folder_;
  Command command_;
  std::string out_;
  std::string err_;
};

TEST_F(Ctl, StatusShowsVmsAndPages) {
  EXPECT_EQ(Run("status"), kExitOk) << err_;
  EXPECT_THAT(out_, HasSubstr("NOT CONNECTED (no libvirtd)"));
  EXPECT_THAT(out_, HasSubstr("0x48048000"));
  EXPECT_THAT(out_, HasSubstr("734 us"));
  EXPECT_THAT(out_, Not(HasSubstr("\x1b"))) << "a terminal must not obey a VM's name";
}

TEST_F(Ctl, StatusShowsSharesOfProtectionAndLosses) {
  EXPECT_EQ(Run("status"), kExitOk) << err_;
  EXPECT_THAT(out_, HasSubstr("g1  200    195 (97.5 %)   1 (0.5 %)  0 (0.0 %)  3 (1.5 %)  "
                              "1 (0.5 %)  active: 195 of 196 pages"));
  EXPECT_THAT(out_, HasSubstr("g1               2      in_kernel  reserved"));
  EXPECT_THAT(out_, HasSubstr("g1               1      not_ram    reserved"));
  EXPECT_THAT(out_, HasSubstr("4711  postgres  /system.slice/db.service?[2J"));
}

TEST_F(Ctl, JsonIsTheNotifiersOwnLine) {
  command_.as_json = true;
  EXPECT_EQ(Run("status"), kExitOk);
  EXPECT_EQ(json::parse(out_)["vms"][0]["name"], "g1");
  EXPECT_EQ(std::count(out_.begin(), out_.end(), '\n'), 1);
  command_.limit = 2000;  // a reply of a megabyte, larger than any socket buffer
  EXPECT_EQ(Run("events"), kExitOk);
  EXPECT_EQ(json::parse(out_)["events"].size(), 2000u);
}

TEST_F(Ctl, ReportSaysWhatBecameOfIt) {
  command_.vm = "g1";
  command_.gpa = "0x4711000";
  command_.length = 4096;
  command_.evidence = "latent";
  EXPECT_EQ(Run("report"), kExitOk) << err_;
  EXPECT_EQ(out_, "g1: 4096 bytes at 0x4711000 reported as latent: page 9 (new)\n");
  command_.vm = "full";
  EXPECT_EQ(Run("report"), kExitFailed);
  EXPECT_THAT(err_, HasSubstr("the disk is full"));
}

TEST_F(Ctl, ReportOfAFrameNamesEveryVmThatHasIt) {
  command_.host_frame = "0x4711";
  command_.evidence = "latent";
  EXPECT_EQ(Run("report"), kExitOk) << err_;
  EXPECT_THAT(out_, HasSubstr("g1: 4096 bytes at 0x4000 reported as latent: page 9 (known"));
  EXPECT_THAT(out_, HasSubstr("g2: has frame 0x4711 at a place"));
  command_.host_frame = "0x1";
  EXPECT_EQ(Run("report"), kExitFailed);
  EXPECT_THAT(err_, HasSubstr("no VM has it"));
  command_.host_frame = "0x2";
  EXPECT_EQ(Run("report"), kExitOk);
  EXPECT_THAT(out_, HasSubstr("no news"));
  command_.host_frame = "0x0";
  EXPECT_EQ(Run("report"), kExitFailed) << "frame 0 is nobody's";
}

TEST_F(Ctl, DomainCheckFailsAsLongAsSomethingIsLacking) {
  command_.vm = "g1";
  EXPECT_EQ(Run("domain check"), kExitFailed);
  EXPECT_THAT(out_, HasSubstr("preload"));
  EXPECT_THAT(out_, HasSubstr("LACKING"));
  EXPECT_THAT(out_, Not(HasSubstr("\x1b"))) << "a terminal must not obey what a domain says";
  command_.as_json = true;
  EXPECT_EQ(Run("domain check"), kExitFailed);
  EXPECT_EQ(json::parse(out_)["complete"], false);
  OnLoop([this] { notifier_.DomainBecomesWhole(); });
  EXPECT_EQ(Run("domain check"), kExitOk);
  command_.vm = "away";
  EXPECT_EQ(Run("domain check"), kExitFailed);
  EXPECT_THAT(err_, HasSubstr("out of reach"));
}

TEST_F(Ctl, ExplainShowsWhatCountsAndWhatWasDecided) {
  command_.vm = "g1";
  EXPECT_EQ(Run("explain"), kExitOk) << err_;
  EXPECT_THAT(out_, HasSubstr("unknown key 'ruels'"));
  EXPECT_THAT(out_, testing::ContainsRegex("many +pages +9 +8 +3600 +notify ops +duplicate"));
  EXPECT_THAT(out_, testing::ContainsRegex("late +unretired_pages +0 +1 +60 +cold_restart"));
  EXPECT_THAT(out_, testing::ContainsRegex("notify ops +done +2 +8 pages within .*HTTP 200"));
  command_.as_json = true;
  EXPECT_EQ(Run("explain"), kExitOk);
  EXPECT_EQ(json::parse(out_)["decisions"][1]["state"], "limited");
  command_.vm = "nobody";
  EXPECT_EQ(Run("explain"), kExitUnknownVm);
}

TEST_F(Ctl, CanMigrateAnswersByItsExitCodeAndSaysWhy) {
  command_.vm = "g1";
  EXPECT_EQ(Run("can-migrate"), kExitFailed);
  EXPECT_EQ(out_,
            "g1: NOT safe to migrate, save, dump or snapshot with memory: 2 pages of bad "
            "memory (8192 bytes) would be read\n");
  command_.as_json = true;
  EXPECT_EQ(Run("can-migrate"), kExitFailed);
  EXPECT_EQ(json::parse(out_)["unhealed_bytes"], 8192);
  OnLoop([this] { notifier_.DomainBecomesWhole(); });
  EXPECT_EQ(Run("can-migrate"), kExitOk);
  EXPECT_TRUE(json::parse(out_)["reason"].is_null());
}

TEST_F(Ctl, AlarmsStandInStatusAndEvents) {
  EXPECT_EQ(Run("status"), kExitOk);
  EXPECT_THAT(out_, HasSubstr("ALARM  g1  unsafe_to_migrate"));
  EXPECT_EQ(Run("events"), kExitOk);
  EXPECT_THAT(out_, HasSubstr("raised  unattached"));
}

TEST_F(Ctl, ClearSaysWhoAsksAndWhy) {
  command_.vm = "g1";
  command_.gpa = "0x48048000";
  command_.length = 4096;
  command_.reason = "DIMM replaced";
  command_.who = "ann";
  EXPECT_EQ(Run("clear"), kExitOk) << err_;
  EXPECT_EQ(out_, "g1: 4096 bytes at 0x48048000 are good memory: page 7\n");
  command_.vm = "g2";
  EXPECT_EQ(Run("clear"), kExitUnknownVm);
  command_.vm.clear();
  EXPECT_EQ(Run("audit"), kExitOk) << err_;
  EXPECT_THAT(out_, HasSubstr("DIMM replaced"));
}

TEST_F(Ctl, ReplayFailsWithoutASession) {
  command_.vm = "g1";
  EXPECT_EQ(Run("replay"), kExitFailed);
  EXPECT_THAT(out_, HasSubstr("2 pages go with the next session"));
  OnLoop([this] { notifier_.DomainBecomesWhole(); });
  EXPECT_EQ(Run("replay"), kExitOk);
}

TEST_F(Ctl, DrainAnswersByItsExitCode) {
  command_.wait_s = 30;
  EXPECT_EQ(Run("drain"), kExitOk) << err_;
  EXPECT_THAT(out_, HasSubstr("drained after 12 ms"));
  EXPECT_THAT(out_, Not(HasSubstr("\x1b")));
  command_.wait_s = 1;
  EXPECT_EQ(Run("drain"), kExitFailed);
  command_.end = true;
  EXPECT_EQ(Run("drain"), kExitOk);
  EXPECT_EQ(Run("status"), kExitOk);
  EXPECT_THAT(out_, HasSubstr("DRAINED"));
  EXPECT_THAT(out_, HasSubstr("LEDGER BEGUN ANEW"));
}

TEST_F(Ctl, AnExportCanBeImportedAndABadLineIsNamed) {
  const std::string path = folder_ + "/export";
  std::size_t lines = 0;
  {
    std::ofstream file(path);
    file << observe::RecordHeaderLine() << '\n';
    for (int i = 0; i < 1000; ++i)
      file << R"({"type":"vm","uuid":"c7a5fdbd-edaf-9455-926a-d65c16db1809","name":")"
           << (i == 500 ? "odd" : "g" + std::to_string(i)) << R"(","events_pruned":0})" << '\n';
    file << "nonsense\n" << observe::RecordEndLine(1001) << '\n';
  }
  command_.file = path;
  EXPECT_EQ(Run("import"), kExitFailed) << "two lines";
  EXPECT_THAT(out_, HasSubstr(path + ":502: error: odd\n"));
  EXPECT_THAT(out_, HasSubstr(path + ":1002: error: not a JSON object\n"));
  EXPECT_THAT(out_, HasSubstr("1003 lines: 999 added, 0 known already, 2 refused\n"));
  command_.file = folder_ + "/again";
  EXPECT_EQ(Run("export"), kExitOk) << err_;
  std::ifstream again(command_.file);
  for (std::string line; std::getline(again, line);) ++lines;
  EXPECT_EQ(lines, 1001u);
  EXPECT_EQ(Run("export"), kExitFailed) << "never over another file";
  EXPECT_EQ(Run("import"), kExitOk) << err_ << out_;
}

TEST_F(Ctl, AnImportThatIsNoneIsRefusedAtOnce) {
  command_.file = folder_ + "/odd";
  std::ofstream(command_.file) << std::string(3000000, 'x');
  EXPECT_EQ(Run("import"), kExitFailed);
  EXPECT_THAT(out_, HasSubstr(":1: error: this is no export"));
  command_.file = folder_ + "/missing";
  EXPECT_EQ(Run("import"), kExitFailed);
}

TEST_F(Ctl, DomainXmlIsThereToPaste) {
  command_.vm = "g1";
  EXPECT_EQ(Run("domain xml"), kExitOk) << "whatever is lacking";
  EXPECT_EQ(out_,
            "<!-- in <devices>; the domain has one already -->\n<channel/>\n"
            "<!-- in <domain> -->\n<qemu:commandline/>\n");
}

TEST_F(Ctl, ExitCodesTellWhatWentWrong) {
  command_.vm = "g2";
  for (const char* op : {"status", "watch", "domain check", "domain xml", "can-migrate", "replay"})
    EXPECT_EQ(Run(op), kExitUnknownVm) << op;
  EXPECT_THAT(err_, HasSubstr("no such VM"));
  command_.vm = std::string(300, 'x');
  EXPECT_EQ(Run("status"), kExitFailed);
  NotifierStops();
  EXPECT_EQ(Run("status"), kExitUnreachable);
  EXPECT_FALSE(std::filesystem::exists(command_.socket));
}

TEST_F(Ctl, WatchStreamsWhatItWasAskedForUntilTheNotifierGoes) {
  auto client = ControlClient::Connect(command_.socket);
  ASSERT_TRUE(client);
  std::vector<json> lines;
  const auto watched = client->Ask(
      R"({"op":"watch","vm":"g1"})", std::chrono::seconds(30), [&](const std::string& line) {
        lines.push_back(json::parse(line));
        if (lines.size() > 1) return lines.size() < 3;
        OnLoop([this] {
          server_->EventRecorded({Uuid{}, "other"}, observe::SampleEvent());
          server_->EventRecorded(observe::kSampleVm, observe::SampleEvent());
          server_->PageChanged(observe::SamplePage());
        });
        return true;
      });
  ASSERT_TRUE(watched);
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines[0]["type"], "watching");
  EXPECT_EQ(lines[1]["event"]["vm"], "g1");
  EXPECT_EQ(lines[2]["page"]["life"], "retired");
}

TEST_F(Ctl, ASlowWatcherIsToldHowMuchItMissed) {
  auto client = ControlClient::Connect(command_.socket);
  constexpr int kPublished = 5000;  // some 2.5 MB, twice what may stay unread and in the socket
  std::uint64_t told = 0;
  std::uint64_t seen = 0;
  const auto watched =
      client->Ask(R"({"op":"watch"})", std::chrono::seconds(30), [&](const std::string& text) {
        const json line = json::parse(text);
        if (line["type"] == "watching")
          OnLoop([this] {
            for (int i = 0; i < kPublished; ++i)
              server_->EventRecorded(observe::kSampleVm, observe::SampleEvent());
          });
        if (line["type"] == "event") ++seen;
        if (line["type"] == "lost") told += line["lines"].get<std::uint64_t>();
        return told == 0;
      });
  ASSERT_TRUE(watched) << watched.error().Text();
  EXPECT_EQ(seen + told, static_cast<std::uint64_t>(kPublished));
}

TEST_F(Ctl, OnlyTheOwnerMayOpenTheSocket) {
  struct stat st {};
  ASSERT_EQ(::stat(command_.socket.c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777, 0600u);
}

TEST_F(Ctl, ASecondServerLeavesTheFirstAlone) {
  const auto second = ControlServer::Open(loop_, command_.socket, notifier_);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kExists);
  EXPECT_EQ(Run("status"), kExitOk);
}

TEST_F(Ctl, AnAbandonedSocketIsReplacedAndAFileIsNot) {
  const std::string path = folder_ + "/left";
  UniqueFd left(::socket(AF_UNIX, SOCK_STREAM, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strcpy(address.sun_path, path.c_str());
  ASSERT_EQ(::bind(left.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  left.Reset();
  OnLoop([&] { EXPECT_TRUE(ControlServer::Open(loop_, path, notifier_)); });
  std::fclose(std::fopen(path.c_str(), "w"));
  EXPECT_EQ(ControlServer::Open(loop_, path, notifier_).error().code, ErrorCode::kExists);
}

TEST_F(Ctl, NonsenseIsAnsweredAndTheNextClientServed) {
  for (const std::string& request : {std::string("nonsense"), std::string(5000, 'x')}) {
    auto client = ControlClient::Connect(command_.socket);
    std::string answer;
    ASSERT_TRUE(client->Ask(request, std::chrono::seconds(30), [&](const std::string& line) {
      answer = line;
      return true;
    }));
    EXPECT_THAT(answer, HasSubstr(R"("code":"invalid")"));
  }
  EXPECT_EQ(Run("status"), kExitOk);
}

}  // namespace
}  // namespace seaward::ctl
