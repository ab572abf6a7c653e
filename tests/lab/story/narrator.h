// The story on one screen: a line per thing that happened, with its second.
#pragma once

#include <cstdio>
#include <string>

#include "tests/lab/host/transcript.h"

namespace seaward::lab {

class Narrator {
 public:
  // Lines go to `screen` and into the transcript. Both outlive it.
  Narrator(std::FILE* screen, Transcript& transcript) : screen_(screen), transcript_(transcript) {}

  void Chapter(const std::string& title);
  void Say(const std::string& line);

 private:
  std::FILE* screen_;
  Transcript& transcript_;
};

}  // namespace seaward::lab
