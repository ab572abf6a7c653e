// Result<T>: a value or an Error. The only place that names tl::expected, so that a later move to
// std::expected edits this file alone.
//
// Rule of the house: a function returns an error or logs it, never both.
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace seaward {

// What a caller may decide on. The text in Error::context is for people.
enum class ErrorCode {
  kInvalid,      // malformed input or argument
  kNotFound,     // the named thing does not exist
  kExists,       // the named thing exists already
  kBusy,         // try again later
  kTimeout,      // a deadline passed
  kClosed,       // the peer is gone
  kCorrupt,      // stored or received bytes fail their check
  kDenied,       // not allowed
  kLimit,        // a documented limit would be exceeded
  kNoSpace,      // disk or memory full
  kUnsupported,  // this kernel, machine or build cannot do it
  kIo,           // any other failure of the system; see sys_errno
};

std::string_view ToString(ErrorCode code);

struct Error {
  ErrorCode code = ErrorCode::kIo;
  int sys_errno = 0;  // 0 when no system call was involved
  std::string context;

  // "context: strerror(sys_errno)", or the context alone.
  std::string Text() const;
};

template <class T>
class [[nodiscard]] Result : public tl::expected<T, Error> {
 public:
  using tl::expected<T, Error>::expected;
};

using Status = Result<void>;

// For the few failures that are more than one Error.
template <class T, class E>
using Expected = tl::expected<T, E>;
template <class E>
tl::unexpected<E> FailWith(E error) {
  return tl::unexpected<E>(std::move(error));
}

inline tl::unexpected<Error> Fail(ErrorCode code, std::string context, int sys_errno = 0) {
  return tl::unexpected<Error>(Error{code, sys_errno, std::move(context)});
}

// Fail with the code that fits an errno value.
tl::unexpected<Error> FailErrno(int sys_errno, std::string context);

// Pass an error on unchanged: `if (!r) return Forward(r);`
template <class T>
tl::unexpected<Error> Forward(Result<T>& failed) {
  return tl::unexpected<Error>(std::move(failed.error()));
}

}  // namespace seaward
