// The page that a person looks at: what was done, when each page was in use and when it was not.
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "host-notifier/chaos/markup.h"
#include "host-notifier/chaos/reports.h"

namespace seaward::chaos {
namespace {

// In units of the picture.
constexpr double kLeft = 150;
constexpr double kWidth = 1000;
constexpr double kRight = 20;
constexpr double kActLane = 18;
constexpr double kPageLane = 7;
constexpr double kTop = 30;
// More pages make a picture that nobody can look at; all are in the table.
constexpr std::size_t kMostDrawn = 400;

constexpr char kStyle[] = R"(
:root{--ink:#1b2733;--soft:#5d6b79;--line:#d5dce3;--paper:#fff;--card:#f6f8fa;--good:#1a7f4b;--bad:#c62f2f;
--wait:#c98a00;--act:#2f6fb3;--boot:#8250c8}
@media(prefers-color-scheme:dark){:root{--ink:#e3e9ef;--soft:#94a2b0;--line:#33404d;--paper:#12181f;--card:#1a222b;
--good:#4cc38a;--bad:#ff6b6b;--wait:#e8b341;--act:#6cabf0;--boot:#b78cff}}
body{font:15px/1.45 system-ui,sans-serif;color:var(--ink);background:var(--paper);margin:2rem auto;max-width:76rem;
padding:0 1rem}
h1{font-size:1.4rem;margin:0}h2{font-size:1.05rem;margin:1.8rem 0 .5rem}p{margin:.3rem 0;color:var(--soft)}
.word{font-weight:700}.good{color:var(--good)}.bad{color:var(--bad)}.wait{color:var(--wait)}
.cards{display:flex;flex-wrap:wrap;gap:.6rem;margin:1rem 0}
.cards div{background:var(--card);border:1px solid var(--line);border-radius:6px;padding:.4rem .8rem}
.cards b{display:block;font-size:1.2rem}.cards span{color:var(--soft);font-size:.85rem}
.wide{overflow-x:auto;border:1px solid var(--line);border-radius:6px;background:var(--card)}
svg{display:block;width:100%;min-width:44rem;height:auto;font:11px system-ui,sans-serif}
svg text{fill:var(--soft)}svg .axis{stroke:var(--line)}svg .boot{stroke:var(--boot);stroke-dasharray:3 3}
svg .open{fill:var(--wait)}svg .done{fill:var(--good)}svg .left{fill:var(--bad)}svg .act{fill:var(--act)}
svg .skipped{fill:var(--soft)}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th{text-align:left;color:var(--soft);font-weight:600}td,th{padding:.2rem .6rem .2rem 0;border-bottom:1px solid var(--line);
vertical-align:top}code{font:13px ui-monospace,monospace}
)";

// 1, 2 or 5 times a power of ten, so that about eight marks fit.
double MarkEvery(double seconds) {
  double step = 0.1;
  constexpr double kFactors[] = {2.0, 2.5, 2.0};
  for (std::size_t i = 0; seconds / step > 9; ++i) step *= kFactors[i % 3];
  return step;
}

class Timeline {
 public:
  explicit Timeline(const RunRecord& run) : run_(run), total_(std::max(Seconds(run.took), 0.001)) {}

  std::string Draw() {
    for (const ActRecord& act : run_.acts)
      if (std::ranges::find(kinds_, act.act) == kinds_.end()) kinds_.push_back(act.act);
    const std::size_t drawn = std::min(run_.pages.size(), kMostDrawn);
    pages_top_ = kTop + static_cast<double>(kinds_.size()) * kActLane + 16;
    bottom_ = pages_top_ + static_cast<double>(drawn) * kPageLane + 6;
    fmt::format_to(Out(), "<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"Timeline\">\n",
                   kLeft + kWidth + kRight, bottom_ + 8);
    DrawAxis();
    DrawActs();
    for (std::size_t i = 0; i < drawn; ++i)
      DrawPage(run_.pages[i], pages_top_ + static_cast<double>(i) * kPageLane);
    DrawBoots();
    return text_ + "</svg>\n";
  }

 private:
  std::back_insert_iterator<std::string> Out() { return std::back_inserter(text_); }
  double X(milliseconds at) const { return kLeft + Seconds(at) / total_ * kWidth; }

  void DrawAxis() {
    const double every = MarkEvery(total_);
    for (double at = 0; at <= total_; at += every) {
      const double x = kLeft + at / total_ * kWidth;
      fmt::format_to(Out(),
                     "<line class=\"axis\" x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1}\" y2=\"{2}\"/>"
                     "<text x=\"{0:.1f}\" y=\"16\" text-anchor=\"middle\">{3:g} s</text>\n",
                     x, kTop - 8, bottom_, at);
    }
  }

  void DrawActs() {
    for (std::size_t lane = 0; lane < kinds_.size(); ++lane)
      fmt::format_to(Out(), "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>\n", kLeft - 10,
                     LaneTop(lane) + 11, ToString(kinds_[lane]));
    for (const ActRecord& act : run_.acts) {
      const auto lane =
          static_cast<std::size_t>(std::ranges::find(kinds_, act.act) - kinds_.begin());
      const char* const look = act.end == ActEnd::kDone      ? "act"
                               : act.end == ActEnd::kSkipped ? "skipped"
                                                             : "left";
      Bar(look, act.began, act.began + act.took, LaneTop(lane), kActLane - 6,
          fmt::format("{} at {:.1f} s, {:.1f} s: {} {}", act.words, Seconds(act.began),
                      Seconds(act.took), ToString(act.end), act.detail));
    }
    if (!run_.pages.empty())
      fmt::format_to(Out(), "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">pages</text>\n",
                     kLeft - 10, pages_top_ + 6);
  }

  // In use until its verdict, out of use (or known to stay) behind it.
  void DrawPage(const PageRecord& page, double y) {
    const milliseconds last = page.final_at.value_or(run_.took);
    const std::string words =
        fmt::format("{} {} {}", FormatAddress(page.page.value), page.life, page.outcome);
    Bar("open", page.bad_at, last, y, kPageLane - 2, words);
    if (page.final_at)
      Bar(page.life == "failed" ? "left" : "done", last, run_.took, y, kPageLane - 2, words);
  }

  void DrawBoots() {
    for (const BootRecord& boot : run_.boots)
      fmt::format_to(Out(),
                     "<line class=\"boot\" x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1}\" y2=\"{2}\">"
                     "<title>boot {3}</title></line>\n",
                     X(boot.at), kTop - 8, bottom_, Escaped(boot.boot_id));
  }

  double LaneTop(std::size_t lane) const { return kTop + static_cast<double>(lane) * kActLane; }

  void Bar(const char* look, milliseconds from, milliseconds to, double y, double height,
           const std::string& words) {
    fmt::format_to(
        Out(),
        "<rect class=\"{}\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" "
        "rx=\"1.5\"><title>{}</title></rect>\n",
        look, X(from), y, std::max(X(to) - X(from), 2.0), height, Escaped(words));
  }

  const RunRecord& run_;
  const double total_;
  std::vector<Act> kinds_;
  double pages_top_ = 0;
  double bottom_ = 0;
  std::string text_;
};

void Card(std::string& text, const std::string& figure, const char* what) {
  text += fmt::format("<div><b>{}</b><span>{}</span></div>", figure, what);
}

std::string Head(const RunRecord& run) {
  std::string text = fmt::format(
      "<h1>{} <span class=\"word {}\">{}</span></h1>\n<p>{}</p>\n"
      "<p>VM {} ({}), seed {}, {:%Y-%m-%d %H:%M:%S} UTC, seaward-chaos {}</p>\n",
      Escaped(run.scenario), run.Passed() ? "good" : "bad", run.Word(), Escaped(run.about),
      Escaped(run.vm), Escaped(run.vm_uuid), run.seed, run.BeganUtc(), SEAWARD_VERSION);
  text += "<div class=\"cards\">";
  Card(text, fmt::format("{:.0f} s", Seconds(run.took)), "took");
  Card(text, std::to_string(run.acts.size()), "steps");
  Card(text, std::to_string(run.pages.size()), "bad pages");
  Card(text, std::to_string(run.RetiredPages()), "retired");
  Card(text, std::to_string(run.boots.size()), "boots");
  Card(text, std::to_string(run.losses_counted), "lost, and counted");
  Card(text, std::to_string(run.losses_silent), "lost silently");
  return text + "</div>\n";
}

std::string Checks(const RunRecord& run) {
  std::string text = "<h2>What must hold</h2>\n<table><tr><th>check<th><th></tr>\n";
  for (const CheckRecord& check : run.checks)
    text += fmt::format("<tr><td>{}<td class=\"{}\">{}<td>{}</tr>\n", Escaped(check.name),
                        check.held ? "good" : "bad", check.held ? "holds" : "does not hold",
                        Escaped(check.detail));
  return text + "</table>\n";
}

std::string Steps(const RunRecord& run) {
  std::string text = "<h2>Steps</h2>\n<table><tr><th>#<th>at<th>step<th>took<th>end<th></tr>\n";
  std::size_t number = 0;
  for (const ActRecord& act : run.acts)
    text += fmt::format("<tr><td>{}<td>{:.1f} s<td>{}<td>{:.1f} s<td class=\"{}\">{}<td>{}</tr>\n",
                        ++number, Seconds(act.began), Escaped(act.words), Seconds(act.took),
                        act.end == ActEnd::kDone      ? "good"
                        : act.end == ActEnd::kSkipped ? "wait"
                                                      : "bad",
                        ToString(act.end), Escaped(act.detail));
  return text + "</table>\n";
}

std::string Pages(const RunRecord& run) {
  std::string text =
      "<h2>Pages</h2>\n<table><tr><th>page<th>how<th>evidence<th>bad at<th>told<th>life<th>verdict"
      "<th>exposure</tr>\n";
  for (const PageRecord& page : run.pages)
    text += fmt::format(
        "<tr><td><code>{}</code><td>{}<td>{}<td>{:.1f} s<td>{}<td>{}<td>{}<td>{}</tr>\n",
        FormatAddress(page.page.value), ToString(page.way), protocol::ToString(page.evidence),
        Seconds(page.bad_at), page.told, Escaped(page.life), Escaped(page.outcome),
        page.exposure_us ? fmt::format("{:.1f} ms", static_cast<double>(*page.exposure_us) / 1000)
                         : "");
  return text + "</table>\n";
}

}  // namespace

std::string HtmlReport(const RunRecord& run) {
  return fmt::format(
             "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
             "<meta name=\"viewport\" content=\"width=device-width\">"
             "<title>{} on {}: seaward-chaos</title><style>{}</style></head><body>\n",
             Escaped(run.scenario), Escaped(run.vm), kStyle) +
         Head(run) + Checks(run) +
         "<h2>Timeline</h2>\n<p>Yellow: bad and not yet at rest. Green: out of use. Red: stays in "
         "use, or a step that failed. Dashed: the guest booted.</p>\n<div class=\"wide\">" +
         Timeline(run).Draw() + "</div>\n" + Steps(run) + Pages(run) + "</body></html>\n";
}

}  // namespace seaward::chaos
