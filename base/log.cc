#include "base/log.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>

namespace seaward {
namespace {

bool NeedsQuotes(std::string_view value) {
  if (value.empty()) return true;
  for (const char c : value)
    if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c == 0x7f) return true;
  return false;
}

void AppendValue(std::string& line, std::string_view value) {
  if (!NeedsQuotes(value)) {
    line += value;
    return;
  }
  line += '"';
  for (const char c : value) {
    if (c == '"' || c == '\\') {
      line += '\\';
      line += c;
    } else if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) {
      line += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      line += c;
    }
  }
  line += '"';
}

}  // namespace

int PriorityOf(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return 7;
    case LogLevel::kInfo:
      return 6;
    case LogLevel::kWarning:
      return 4;
    case LogLevel::kError:
      return 3;
  }
  return 3;
}

std::string LineOf(const LogRecord& record) {
  std::string line = fmt::format("event={}", record.event);
  for (const LogField& field : record.fields) {
    line += ' ';
    line += field.key;
    line += '=';
    AppendValue(line, field.value);
  }
  return line;
}

StderrSink::StderrSink() : journal_(std::getenv("JOURNAL_STREAM") != nullptr) {}

void StderrSink::Write(LogLevel level, std::string_view line) {
  const std::string text =
      journal_ ? fmt::format("<{}>{}\n", PriorityOf(level), line) : fmt::format("{}\n", line);
  // One write per line keeps lines of several threads whole; a lost log line is no error.
  if (::write(STDERR_FILENO, text.data(), text.size()) < 0) return;
}

void Logger::Write(LogLevel level, std::string_view event,
                   std::initializer_list<LogField> fields) const {
  if (level < threshold_) return;
  sink_.Tell({level, event, std::span(fields.begin(), fields.size())});
}

void Logger::Debug(std::string_view event, std::initializer_list<LogField> fields) const {
  Write(LogLevel::kDebug, event, fields);
}
void Logger::Info(std::string_view event, std::initializer_list<LogField> fields) const {
  Write(LogLevel::kInfo, event, fields);
}
void Logger::Warning(std::string_view event, std::initializer_list<LogField> fields) const {
  Write(LogLevel::kWarning, event, fields);
}
void Logger::Error(std::string_view event, std::initializer_list<LogField> fields) const {
  Write(LogLevel::kError, event, fields);
}

}  // namespace seaward
