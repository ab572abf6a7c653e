// An event loop for tests: turns until something holds.
#pragma once

#include <gtest/gtest.h>

#include <utility>  // before Asio: Boost 1.74 forgets it under C++20

#include <boost/asio/io_context.hpp>
#include <chrono>

namespace seaward {

class LoopTest : public ::testing::Test {
 protected:
  template <class Condition>
  void RunUntil(Condition condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!condition() && std::chrono::steady_clock::now() < deadline) {
      loop_.restart();
      loop_.run_one_for(std::chrono::seconds(1));
    }
    ASSERT_TRUE(condition());
  }
  boost::asio::io_context loop_;
};

}  // namespace seaward
