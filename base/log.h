// One line per decision: key=value, to a sink that the caller owns. Thread-safe when the sink is.
#pragma once

#include <initializer_list>
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

class LogSink {
 public:
  virtual ~LogSink() = default;
  virtual void Write(LogLevel level, std::string_view line) = 0;
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
