#include "tests/lab/host/transcript.h"

#include <fcntl.h>

#include "base/file_io.h"

namespace seaward::lab {

Result<Transcript> Transcript::Create(const std::string& path, const Clock& clock) {
  auto file = OpenFile(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (!file) return Forward(file);
  return Transcript(std::move(*file), clock);
}

double Transcript::SecondsSoFar() const {
  return std::chrono::duration<double>(clock_->Now() - start_).count();
}

void Transcript::Add(const std::string& what, const nlohmann::json& fields) {
  nlohmann::json line = {{"at_s", SecondsSoFar()}, {"what", what}};
  line.update(fields);
  const std::string text =
      line.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace) + "\n";
  // A full disk must not end the run; the report's checks will miss the line.
  (void)WriteAll(file_.get(), std::as_bytes(std::span(text)));
}

}  // namespace seaward::lab
