#include <cstdlib>

#include "host-notifier/hosttrace/trace_text.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  std::uint64_t whole = 0;
  std::uint64_t pieces = 0;
  const auto check = [](const seaward::TraceLine& line, std::uint64_t& sum) {
    if (const auto* failure = std::get_if<seaward::FrameFailure>(&line)) {
      if (failure->frame.number == 0 || failure->frame.number >> 40 != 0) std::abort();
      sum += failure->frame.number;
    }
  };
  seaward::TraceText at_once;
  at_once.Feed(text, [&](const auto& line) { check(line, whole); });
  seaward::TraceText one_by_one;
  for (std::size_t i = 0; i < size; ++i)
    one_by_one.Feed(text.substr(i, 1), [&](const auto& line) { check(line, pieces); });
  if (whole != pieces || at_once.passed_over() != one_by_one.passed_over()) std::abort();
  return 0;
}
