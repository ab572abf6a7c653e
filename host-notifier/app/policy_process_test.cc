// The policy in the real notifier: from an error to a program, a web service, a domain; and over
// kill -9.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/stat.h>

#include <algorithm>
#include <optional>

#include "host-notifier/app/notifier_process_fixture.h"

namespace seaward {
namespace {

class PolicyProcessTest : public NotifierProcessTest {
 protected:
  void HookIs(const std::string& script) {
    std::ofstream(dir_ / "hook") << "#!/bin/sh\n" << script << "\n";
    ::chmod((dir_ / "hook").c_str(), 0700);
  }
  std::string Sinks(const std::string& more = "") const {
    return "policy:\n  hooks:\n    - {name: ops, program: " + dir_.path() + "/hook" + more + "}\n";
  }
  void GoesBad(const std::string& vm, const std::string& gpa) {
    Until("the error is taken", [&] {
      const Json answer = Ask({{"op", "report"}, {"vm", vm}, {"gpa", gpa}});
      return answer.is_object() && answer.contains("page");
    });
  }
  std::string File(const std::string& name) const {
    std::ifstream in(dir_ / name);
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
  }
  std::size_t Lines(const std::string& name) const {
    const std::string text = File(name);
    return static_cast<std::size_t>(std::ranges::count(text, '\n'));
  }
  Json Explain(const std::string& vm) {
    const Json report = Ask({{"op", "explain"}, {"vm", vm}});
    return report.is_object() ? report : Json::object();
  }
  // "rule:action:state" of each decision.
  std::string Decisions(const std::string& vm) {
    std::string words;
    const Json report = Explain(vm);
    for (const Json& row : report.value("decisions", Json::array()))
      words += row["rule"].get<std::string>() + ":" + row["action"].get<std::string>() + ":" +
               row["state"].get<std::string>() + " ";
    return words;
  }
  void UntilDecided(const std::string& words, const std::string& vm = "web") {
    Until(words.c_str(), [&] { return Decisions(vm) == words; });
  }
};

// Answers each request with the status that is set; one connection at a time.
class OneAnswer {
 public:
  OneAnswer() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(0, ::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)));
    EXPECT_EQ(0, ::listen(socket_.get(), 8));
    socklen_t size = sizeof(address);
    ::getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
  }
  int port() const { return port_; }
  // The body of the next request, if one is there now.
  std::optional<std::string> Serve(const std::string& status) {
    const UniqueFd peer(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!peer.valid()) return std::nullopt;
    std::string request;
    char chunk[4096];
    while (!request.ends_with("}}")) {  // the event ends with its data
      const ssize_t got = ::recv(peer.get(), chunk, sizeof(chunk), 0);
      if (got <= 0) return std::nullopt;
      request.append(chunk, static_cast<std::size_t>(got));
    }
    const std::string answer = "HTTP/1.1 " + status + "\r\nContent-Length: 0\r\n\r\n";
    ::send(peer.get(), answer.data(), answer.size(), MSG_NOSIGNAL);
    return request.substr(request.find("\r\n\r\n") + 4);
  }

 private:
  UniqueFd socket_;
  int port_ = 0;
};

TEST_F(PolicyProcessTest, AHookIsToldWhenTheRuleHoldsAndNotBefore) {
  HookIs("cat >> " + dir_.path() + "/told");
  Configure("none",
            Sinks() + "  rules:\n    - {name: two, when: pages, at_least: 2, notify: [ops]}\n");
  GuestBoots();
  StartNotifier();
  VmmAttaches();
  GoesBad("web", "0x40711000");
  Until("it counts", [this] { return Explain("web")["rules"][0]["counted"] == 1; });
  EXPECT_EQ(Explain("web")["rules"][0]["actions"][0]["judgement"], "not_met");
  EXPECT_EQ(Decisions("web"), "");
  GoesBad("web", "0x40712000");
  UntilDecided("two:notify:done ");
  const Json event = Json::parse(File("told"));
  EXPECT_EQ(event["data"]["vm_uuid"], kVm);
  EXPECT_EQ(event["data"]["rule"], "two");
  EXPECT_EQ(event["data"]["counted"], 2);
  EXPECT_EQ(Explain("web")["rules"][0]["actions"][0]["judgement"], "nothing_new");
  EXPECT_EQ("not_found", Ask({{"op", "explain"}, {"vm", "nobody"}})["error"]["code"]);
  StopNotifier();
}

TEST_F(PolicyProcessTest, ADryRunAndAnInterventionWithoutLibvirtAreExplained) {
  Configure("none",
            "policy:\n  rules:\n    - {name: r, when: pages, act: reset}\n  vms:\n"
            "    - {match: [other], dry_run: true}\n");
  GuestBoots();
  StartNotifier();
  VmmAttaches();
  GoesBad("web", "0x40711000");
  UntilDecided("r:reset:refused ");
  EXPECT_EQ(Explain("web")["dry_run"], false);
  StopNotifier();
  Configure("none",
            "policy:\n  dry_run: true\n  duplicate_window_s: 0\n  rules:\n"
            "    - {name: r, when: pages, act: reset}\n");
  StartNotifier();
  GoesBad("web", "0x40712000");
  UntilDecided("r:reset:refused r:reset:dry_run ");
  EXPECT_EQ(Explain("web")["dry_run"], true);
  StopNotifier();
}

TEST_F(PolicyProcessTest, ANotifierThatIsKilledRepeatsWhatMayBeRepeatedAndNothingElse) {
  // Each waits, also when its notifier is gone, until it may go.
  HookIs("cd " + dir_.path() +
         "; echo run >> runs; while [ -e hook ] && [ ! -e go ]; do sleep 0.1; "
         "done");
  const std::string rules = "    - {name: once, program: " + dir_.path() +
                            "/hook, attempts: 1}\n"
                            "  rules:\n    - {name: a, when: pages, notify: [ops, once]}\n";
  Configure("none", Sinks(", attempts: 2") + rules);
  GuestBoots();
  StartNotifier();
  VmmAttaches();
  GoesBad("web", "0x40711000");
  Until("both run", [this] { return Lines("runs") == 2; });
  KillNotifier();
  std::ofstream(dir_ / "go");
  StartNotifier();
  UntilDecided("a:notify:done a:notify:unknown ");
  EXPECT_EQ(Lines("runs"), 3u);
  EXPECT_TRUE(Logged("event=action_needs_a_person"));
  StopNotifier();
}

TEST_F(PolicyProcessTest, AWebhookIsToldAcrossItsOwnAndTheNotifiersDowntime) {
  OneAnswer service;
  Configure("none", "policy:\n  webhooks:\n    - {name: siem, url: 'http://127.0.0.1:" +
                        std::to_string(service.port()) +
                        "/in', retry_initial_s: 1, retry_max_s: 1}\n"
                        "  rules:\n    - {name: a, when: pages, notify: [siem]}\n");
  GuestBoots();
  StartNotifier();
  VmmAttaches();
  GoesBad("web", "0x40711000");
  std::optional<std::string> first;
  Until("it is told, and busy", [&] {
    first = service.Serve("503 Busy");
    return first.has_value();
  });
  Until("that is on record",
        [this] { return Explain("web")["decisions"][0]["result"] == "HTTP 503"; });
  KillNotifier();
  StartNotifier();
  std::optional<std::string> last;
  Until("it is told again", [&] {
    if (auto heard = service.Serve("204 Thanks")) last = std::move(heard);
    return last && Decisions("web") == "a:notify:done ";
  });
  EXPECT_EQ(Json::parse(*first)["id"], Json::parse(*last)["id"]);
  EXPECT_GE(Json::parse(*last)["data"]["attempt"], 2);
  StopNotifier();
}

// libvirt's test driver; the channel's socket is this process, so that the domains have a memory.
class PolicyDomainTest : public PolicyProcessTest {
 protected:
  void Domains(const std::string& metadata, const std::string& policy) {
    std::ofstream(dir_ / "node.xml")
        << "<node><domain type='test'><name>ours</name>"
           "<uuid>00000000-0000-0000-0000-000000000002</uuid><metadata>"
        << metadata << "</metadata><memory>65536</memory><os><type>hvm</type></os><devices>"
        << "<channel type='unix'><source mode='bind' path='" << dir_.path()
        << "/agent.sock'/><target type='virtio' name='org.seaward.agent.0'/></channel>"
           "</devices></domain></node>";
    Configure("test://" + (dir_ / "node.xml"), policy);
    // The fixture's own VM has the same socket.
    std::string text = File("notifier.yaml");
    const auto begin = text.find("static_vms:");
    text.erase(begin, text.find("policy:") - begin);
    std::ofstream(dir_ / "notifier.yaml") << text;
  }
};

TEST_F(PolicyDomainTest, ADomainIsPausedByItsRule) {
  Domains("", "policy:\n  rules:\n    - {name: p, when: pages, act: pause}\n");
  GuestBoots();
  StartNotifier();
  GoesBad("ours", "0x40711000");
  UntilDecided("p:pause:done ", "ours");
  StopNotifier();
}

TEST_F(PolicyDomainTest, TheDomainsOwnWordOverridesTheFile) {
  HookIs("cat > /dev/null");
  Domains(
      "<seaward:policy xmlns:seaward='urn:seaward:policy:1'>\n"
      "disable: [p]\n"
      "rules:\n"
      "  - {name: mine, when: pages, notify: [ops]}\n"
      "</seaward:policy>",
      Sinks() + "  rules:\n    - {name: p, when: pages, act: pause}\n");
  GuestBoots();
  StartNotifier();
  GoesBad("ours", "0x40711000");
  UntilDecided("mine:notify:done ", "ours");
  EXPECT_EQ(Explain("ours")["own_policy"], true);
  StopNotifier();
}

TEST_F(PolicyDomainTest, AWordThatIsWrongIsSaidAndTheFileHolds) {
  Domains(
      "<seaward:policy xmlns:seaward='urn:seaward:policy:1'>\n"
      "disalbe: [p]\n"
      "hooks: [{name: evil, program: /bin/sh}]\n"
      "</seaward:policy>",
      "policy:\n  rules:\n    - {name: p, when: pages, act: pause}\n");
  GuestBoots();
  StartNotifier();
  GoesBad("ours", "0x40711000");
  UntilDecided("p:pause:done ", "ours");
  const Json errors = Explain("ours")["own_policy_errors"];
  ASSERT_EQ(errors.size(), 2u) << errors;
  EXPECT_EQ(errors[0],
            "metadata of ours:2:1: error: unknown key 'disalbe'; did you mean 'disable'?");
  EXPECT_TRUE(Logged("event=domain_policy_ignored"));
  StopNotifier();
}

}  // namespace
}  // namespace seaward
