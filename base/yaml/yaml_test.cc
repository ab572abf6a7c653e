#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "base/uuid.h"
#include "base/yaml/map_reader.h"

namespace seaward::yaml {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;

enum class Mode { kAuto, kOff };
constexpr std::pair<std::string_view, Mode> kModes[] = {{"auto", Mode::kAuto}, {"off", Mode::kOff}};

struct Machine {
  std::string name;
  Uuid uuid;
};
struct Sample {
  std::string folder;
  std::string note;
  bool loud = false;
  Mode mode = Mode::kAuto;
  milliseconds delay{0};
  std::uint64_t count = 0;
  std::vector<std::string> words;
  std::vector<Machine> machines;
};

Sample ReadSample(MapReader& top) {
  Sample s;
  s.folder = top.Path("folder", "/var").value;
  s.note = top.Text("note", "none").value;
  s.loud = top.Flag("loud", false).value;
  s.mode = top.Choice<Mode>("mode", kModes, Mode::kAuto).value;
  for (const auto& word : top.TextList("words").value) s.words.push_back(word.value);
  {
    MapReader timing = top.Map("timing");
    s.delay = timing
                  .Duration<milliseconds>("retire_delay_ms", milliseconds(5),
                                          {milliseconds(1), milliseconds(100)})
                  .value;
    s.count = timing.Integer("count", 7, {0, 10}).value;
  }
  top.ForEach("machines", [&](MapReader& machine) {
    s.machines.push_back({machine.Text("name", std::nullopt).value,
                          machine.Parsed<Uuid>("uuid", "uuid", &ParseUuid).value});
  });
  return s;
}

std::vector<std::string> Errors(std::string_view text) {
  std::vector<std::string> lines;
  const auto loaded = Load<Sample>("s.yaml", text, ReadSample);
  if (!loaded)
    for (const Diagnostic& diagnostic : loaded.error()) lines.push_back(diagnostic.Render());
  return lines;
}

TEST(MapReader, FillsEveryDefaultFromAnEmptyOrCommentedFile) {
  for (const char* text : {"", "# only a comment\n", "timing:\nmachines:\n", "---\n"}) {
    const auto loaded = Load<Sample>("s.yaml", text, ReadSample);
    ASSERT_TRUE(loaded) << text << Render(loaded.error());
    EXPECT_EQ(loaded->folder, "/var");
    EXPECT_EQ(loaded->delay, milliseconds(5));
    EXPECT_EQ(loaded->count, 7u);
    EXPECT_FALSE(loaded->loud);
    EXPECT_TRUE(loaded->machines.empty());
  }
}

TEST(MapReader, ReadsEveryType) {
  const auto loaded = Load<Sample>("s.yaml", R"(
folder: /tmp/x
note: "two words"
loud: true
mode: off
words: [a, b]
timing: {retire_delay_ms: 100, count: 0}
machines:
  - name: m1
    uuid: c7a5fdbd-edaf-9455-926a-d65c16db1809
)",
                                   ReadSample);
  ASSERT_TRUE(loaded) << Render(loaded.error());
  EXPECT_EQ(loaded->folder, "/tmp/x");
  EXPECT_EQ(loaded->note, "two words");
  EXPECT_TRUE(loaded->loud);
  EXPECT_EQ(loaded->mode, Mode::kOff);
  EXPECT_THAT(loaded->words, ElementsAre("a", "b"));
  EXPECT_EQ(loaded->delay, milliseconds(100));
  EXPECT_EQ(loaded->count, 0u);
  ASSERT_EQ(loaded->machines.size(), 1u);
  EXPECT_EQ(FormatUuid(loaded->machines[0].uuid), "c7a5fdbd-edaf-9455-926a-d65c16db1809");
}

TEST(MapReader, ReportsEverythingAtOnceInTheOrderOfTheLines) {
  EXPECT_THAT(
      Errors("folder: relative\n"
             "note: a\n"
             "timing:\n"
             "  retire_dealy_ms: 3\n"
             "  count: eleven\n"
             "mode: of\n"
             "machines:\n"
             "  - name: m1\n"
             "    uuid: 17\n"
             "  - uuid: c7a5fdbd-edaf-9455-926a-d65c16db1809\n"
             "note: b\n"),
      ElementsAre(
          "s.yaml:1:9: error: 'folder' is not an absolute path: 'relative'",
          "s.yaml:4:3: error: unknown key 'retire_dealy_ms'; did you mean 'retire_delay_ms'?",
          "s.yaml:5:10: error: 'timing.count' must be a whole number, found 'eleven'",
          "s.yaml:6:7: error: 'mode' must be one of auto, off, found 'of'; did you mean 'off'?",
          "s.yaml:9:11: error: '17' is not a UUID",
          "s.yaml:10:5: error: missing key 'machines[].name'",
          "s.yaml:11:1: error: duplicate key 'note'; first on line 2"));
}

TEST(MapReader, RefusesWrongKindsOfNodesWhereTheyStand) {
  EXPECT_THAT(Errors("timing: 3\n"),
              ElementsAre("s.yaml:1:9: error: 'timing' must be a map, found a single value"));
  EXPECT_THAT(Errors("machines: {a: 1}\n"),
              ElementsAre(HasSubstr("1:11: error: 'machines' must be a list, found a map")));
  EXPECT_THAT(Errors("machines: [3]\n"),
              ElementsAre(HasSubstr("1:12: error: 'machines[]' must be a map"),
                          HasSubstr("missing key 'machines[].name'"),
                          HasSubstr("missing key 'machines[].uuid'")));
  EXPECT_THAT(Errors("folder: [a]\n"),
              ElementsAre(HasSubstr("1:9: error: 'folder' must be a single value, found a list")));
  EXPECT_THAT(Errors("folder:\n"), ElementsAre(HasSubstr("found nothing")));
  EXPECT_THAT(Errors("[a, b]\n"), ElementsAre("s.yaml:1:1: error: want a map, found a list"));
  EXPECT_THAT(Errors("words: [[a]]\n"), ElementsAre(HasSubstr("1:9: error: an item of 'words'")));
}

TEST(MapReader, KeepsNumbersAndWordsStrict) {
  for (const char* bad : {"-1", "0x3", "1.0", "3 ms", "\"3\"", "18446744073709551616", "11", "~"})
    EXPECT_THAT(Errors(std::string("timing:\n  count: ") + bad), ElementsAre(HasSubstr(":2:10:")))
        << bad;
  for (const char* bad : {"yes", "True", "1", "\"true\"", "''"})
    EXPECT_THAT(Errors(std::string("loud: ") + bad), ElementsAre(HasSubstr("true or false")))
        << bad;
  EXPECT_THAT(Errors("note: \"a\\x07b\"\n"), ElementsAre(HasSubstr("control characters")));
}

TEST(MapReader, SaysTheNumberThatAUnitWouldMean) {
  EXPECT_THAT(Errors("timing: {retire_delay_ms: 2s}\n"),
              ElementsAre("s.yaml:1:27: error: 'timing.retire_delay_ms' must be a whole number, "
                          "found '2s'; did you mean 2000?"));
  EXPECT_THAT(Errors("timing: {retire_delay_ms: 3 min}\n"),
              ElementsAre(HasSubstr("did you mean 180000?")));
  EXPECT_THAT(Errors("timing: {retire_delay_ms: 2 hours}\n"), ElementsAre(HasSubstr("'2 hours'")));
  EXPECT_THAT(Errors("timing: {count: 2s}\n"), ElementsAre(testing::EndsWith("found '2s'")));
}

TEST(ParseDocument, NamesEveryTabThatIndentsAndEveryNulByte) {
  EXPECT_THAT(Errors("timing:\n\tcount: 1\n \tmode: off\n\t# a comment\n\t\n"),
              ElementsAre("s.yaml:2:1: error: a tab indents this line; want spaces",
                          "s.yaml:3:2: error: a tab indents this line; want spaces"));
  EXPECT_THAT(Errors(std::string("note: a\nmode: o\0ff\nbad: x\n", 26)),
              ElementsAre("s.yaml:2:8: error: a NUL byte; nothing behind it would be read"));
}

TEST(MapReader, CountsTheErrorsItNoLongerPrints) {
  std::string text;
  for (int i = 0; i < 130; ++i) text += "zzzzzzz" + std::to_string(i) + ": 1\n";
  const auto errors = Errors(text);
  EXPECT_EQ(errors.size(), 101u);
  EXPECT_EQ(errors.back(), "s.yaml: error: and 30 more errors");
}

TEST(ParseDocument, RefusesWhatAConfigurationNeverNeeds) {
  EXPECT_THAT(Errors("note: &a x\nfolder: *a\n"),
              ElementsAre("s.yaml:1:7: error: anchors are not supported",
                          "s.yaml:2:9: error: aliases are not supported",
                          HasSubstr("2:9: error: 'folder' must be a single value")));
  EXPECT_THAT(Errors("note: !!str x\n"), ElementsAre("s.yaml:1:7: error: tags are not supported"));
  EXPECT_THAT(Errors("note: x\n---\nnote: y\n"), ElementsAre(HasSubstr("more than one YAML")));
  EXPECT_THAT(Errors("? [a]\n: b\n"), ElementsAre(HasSubstr("a key must be a word")));
  EXPECT_THAT(Errors(std::string(1000, '[')), ElementsAre(HasSubstr("nested deeper than 16")));
  EXPECT_THAT(Errors(std::string(kMaxFileBytes + 1, '#')), ElementsAre(HasSubstr("longer than")));
}

TEST(ParseDocument, TurnsASyntaxErrorIntoOneDiagnosticWithItsPlace) {
  EXPECT_THAT(Errors("note: a\n  bad: [\n"), ElementsAre(HasSubstr("s.yaml:2:6: error: ")));
  EXPECT_THAT(Errors("folder: \"open\n"), ElementsAre(HasSubstr("s.yaml:")));
}

TEST(LoadFile, NamesAFileThatCannotBeRead) {
  const auto loaded = LoadFile<Sample>("/nowhere/s.yaml", ReadSample);
  ASSERT_FALSE(loaded);
  EXPECT_EQ(Render(loaded.error()),
            "/nowhere/s.yaml: error: cannot be read: No such file or directory\n");
}

TEST(DescribeKeys, NamesEveryKeyTypeAndDefault) {
  std::vector<std::string> lines;
  for (const KeySpec& key : DescribeKeys([](MapReader& top) { ReadSample(top); }))
    lines.push_back(key.path + " " + key.type + " " + key.default_value);
  EXPECT_THAT(lines, ElementsAre("folder path /var", "note text none", "loud bool false",
                                 "mode auto|off auto", "words list of text []",
                                 "timing.retire_delay_ms integer 5", "timing.count integer 7",
                                 "machines list []", "machines[].name text required",
                                 "machines[].uuid uuid required"));
}

TEST(SuggestionFor, KeepsQuietWhenNothingIsNear) {
  const std::vector<std::string> words = {"state_dir", "log_level"};
  EXPECT_EQ(SuggestionFor("stat_dir", words), "; did you mean 'state_dir'?");
  EXPECT_EQ(SuggestionFor("sate_dri", words), "; did you mean 'state_dir'?");
  EXPECT_EQ(SuggestionFor("colour", words), "");
}

}  // namespace
}  // namespace seaward::yaml
