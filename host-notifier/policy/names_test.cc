#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "host-notifier/policy/glob.h"
#include "host-notifier/policy/web_url.h"

namespace seaward::policy {
namespace {

using testing::HasSubstr;

bool Matches(std::string_view pattern, std::string_view text) {
  const auto glob = Glob::Parse(pattern);
  EXPECT_TRUE(glob) << pattern;
  return glob && glob->Matches(text);
}

std::string Refusal(std::string_view pattern) {
  const auto glob = Glob::Parse(pattern);
  return glob ? "accepted" : glob.error().context;
}

TEST(Glob, MatchesWholeNames) {
  EXPECT_TRUE(Matches("web-*", "web-1"));
  EXPECT_TRUE(Matches("web-*", "web-"));
  EXPECT_FALSE(Matches("web-*", "my-web-1"));
  EXPECT_TRUE(Matches("*-db-*-x", "a-db-b-db-c-x"));
  EXPECT_FALSE(Matches("*-db-*-x", "a-db-x"));
  EXPECT_TRUE(Matches("g?", "g1"));
  EXPECT_FALSE(Matches("g?", "g"));
  EXPECT_TRUE(Matches("g[0-9a]", "ga"));
  EXPECT_FALSE(Matches("g[!0-9]", "g7"));
  EXPECT_TRUE(Matches("g[]]", "g]"));
  EXPECT_TRUE(Matches("g[a-]", "g-"));
  EXPECT_TRUE(Matches("\\*", "*"));
  EXPECT_FALSE(Matches("\\*", "x"));
  EXPECT_TRUE(Matches("**", ""));
  EXPECT_TRUE(Glob::Parse("***")->MatchesAll());
  EXPECT_FALSE(Glob::Parse("*a")->MatchesAll());
}

TEST(Glob, SaysWhatIsWrongWithAPattern) {
  EXPECT_THAT(Refusal(""), HasSubstr("empty"));
  EXPECT_THAT(Refusal("web-[0-9"), HasSubstr("'web-[0-9' is no pattern: a '[' without its ']'"));
  EXPECT_THAT(Refusal("["), HasSubstr("without its ']'"));
  EXPECT_THAT(Refusal("[z-a]"), HasSubstr("'z-a' is backwards"));
  EXPECT_THAT(Refusal("web\\"), HasSubstr("ends with"));
  EXPECT_THAT(Refusal(std::string(256, 'a')), HasSubstr("longer than any name"));
}

TEST(Glob, ManyStarsCostNoTimeToSpeakOf) {
  std::string pattern;
  for (int i = 0; i < 100; ++i) pattern += "*a";
  EXPECT_FALSE(Matches(pattern, std::string(10000, 'a') + "b"));
}

TEST(Glob, AnEscapedNameMatchesItselfAlone) {
  const bool holds = rc::check([] {
    const auto name = *rc::gen::suchThat(
        rc::gen::container<std::string>(rc::gen::inRange<char>(' ', 127)),
        [](const std::string& text) { return !text.empty() && text.size() < 100; });
    std::string escaped;
    for (const char c : name) escaped += std::string("\\") + c;
    const auto glob = Glob::Parse(escaped);
    RC_ASSERT(glob);
    RC_ASSERT(glob->Matches(name));
    RC_ASSERT(!glob->Matches(name + "x"));
    RC_ASSERT(Glob::Parse("*" + escaped + "*")->Matches("<" + name + ">"));
  });
  EXPECT_TRUE(holds);
}

std::string Parts(std::string_view text) {
  const auto url = ParseWebUrl(text);
  if (!url) return url.error().context;
  return (url->tls ? "tls " : "plain ") + url->host + " " + std::to_string(url->port) + " " +
         url->target + " " + url->Authority();
}

TEST(WebUrl, KnowsItsParts) {
  EXPECT_EQ(Parts("http://localhost"), "plain localhost 80 / localhost");
  EXPECT_EQ(Parts("https://a.example:8443/x/y?z=1"), "tls a.example 8443 /x/y?z=1 a.example:8443");
  EXPECT_EQ(Parts("https://[::1]:9/"), "tls ::1 9 / [::1]:9");
  EXPECT_EQ(Parts("http://[::1]?q"), "plain ::1 80 /?q [::1]");
}

TEST(WebUrl, RefusesWhatCannotBeCalled) {
  EXPECT_THAT(Parts("ftp://a"), HasSubstr("must begin with http"));
  EXPECT_THAT(Parts("https://"), HasSubstr("names no host"));
  EXPECT_THAT(Parts("https://:80/"), HasSubstr("names no host"));
  EXPECT_THAT(Parts("https://me:secret@a/"), HasSubstr("no user names"));
  EXPECT_THAT(Parts("https://a:0/"), HasSubstr("'0' is no port"));
  EXPECT_THAT(Parts("https://a:65536/"), HasSubstr("'65536' is no port"));
  EXPECT_THAT(Parts("https://a:8x/"), HasSubstr("'8x' is no port"));
  EXPECT_THAT(Parts("https://[::1/"), HasSubstr("without its ']'"));
  EXPECT_THAT(Parts("https://[::1]x/"), HasSubstr("only a port"));
  EXPECT_THAT(Parts("https://a/\r\nHost: b"), HasSubstr("control"));
  EXPECT_THAT(Parts("https://a/#b"), HasSubstr("never sent"));
  EXPECT_THAT(Parts("http://" + std::string(3000, 'a')), HasSubstr("too long"));
}

}  // namespace
}  // namespace seaward::policy
