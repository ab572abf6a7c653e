// One line per decision: key=value, to a sink that the caller owns. Thread-safe when the sink is.
#pragma once

#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace seaward {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

// How configurations name them.
inline constexpr std::pair<std::string_view, LogLevel> kLogLevelWords[] = {
    {"debug", LogLevel::kDebug},
    {"info", LogLevel::kInfo},
    {"warning", LogLevel::kWarning},
    {"error", LogLevel::kError}};

struct LogField {
  std::string_view key;
  std::string value;
};

// One thing to say, before it is text. Points into the caller's call.
struct LogRecord {
  LogLevel level = LogLevel::kInfo;
  std::string_view event;
  std::span<const LogField> fields;
};
// event=EVENT key=value ...
std::string LineOf(const LogRecord& record);
// sd-daemon(3), syslog(3): 7 for debug to 3 for errors.
int PriorityOf(LogLevel level);

class LogSink {
 public:
  virtual ~LogSink() = default;
  virtual void Write(LogLevel level, std::string_view line) = 0;
  // A sink that keeps fields apart overrides it; any other gets the line.
  virtual void Tell(const LogRecord& record) { Write(record.level, LineOf(record)); }
};

// To stderr; prefixed with "<N>" priorities when systemd reads it ($JOURNAL_STREAM is set).
class StderrSink final : public LogSink {
 public:
  StderrSink();
  void Write(LogLevel level, std::string_view line) override;

 private:
  bool journal_;
};

class Logger {
 public:
  Logger(LogSink& sink, LogLevel threshold) : sink_(sink), threshold_(threshold) {}

  LogSink& sink() const { return sink_; }
  LogLevel threshold() const { return threshold_; }

  // log.Info("page_retired", {{"vm", name}, {"gpa", FormatAddress(gpa)}})
  //   -> event=page_retired vm=web1 gpa=0x4711000
  // Values with spaces, quotes, '=' or control bytes are quoted and escaped.
  void Debug(std::string_view event, std::initializer_list<LogField> fields = {}) const;
  void Info(std::string_view event, std::initializer_list<LogField> fields = {}) const;
  void Warning(std::string_view event, std::initializer_list<LogField> fields = {}) const;
  void Error(std::string_view event, std::initializer_list<LogField> fields = {}) const;

 private:
  void Write(LogLevel level, std::string_view event, std::initializer_list<LogField> fields) const;
  LogSink& sink_;
  LogLevel threshold_;
};

}  // namespace seaward
