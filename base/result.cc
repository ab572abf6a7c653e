#include "base/result.h"

#include <cerrno>
#include <system_error>

namespace seaward {

std::string_view ToString(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalid:
      return "invalid";
    case ErrorCode::kNotFound:
      return "not_found";
    case ErrorCode::kExists:
      return "exists";
    case ErrorCode::kBusy:
      return "busy";
    case ErrorCode::kTimeout:
      return "timeout";
    case ErrorCode::kClosed:
      return "closed";
    case ErrorCode::kCorrupt:
      return "corrupt";
    case ErrorCode::kDenied:
      return "denied";
    case ErrorCode::kLimit:
      return "limit";
    case ErrorCode::kNoSpace:
      return "no_space";
    case ErrorCode::kUnsupported:
      return "unsupported";
    case ErrorCode::kIo:
      return "io";
  }
  return "unknown";
}

std::string Error::Text() const {
  if (sys_errno == 0) return context;
  return context + ": " + std::generic_category().message(sys_errno);
}

namespace {

ErrorCode CodeOf(int sys_errno) {
  switch (sys_errno) {
    case ENOENT:
    case ENODEV:
    case ENXIO:
      return ErrorCode::kNotFound;
    case EEXIST:
      return ErrorCode::kExists;
    case EAGAIN:
    case EBUSY:
      return ErrorCode::kBusy;
    case ETIMEDOUT:
      return ErrorCode::kTimeout;
    case EPIPE:
    case ECONNRESET:
    case ECONNREFUSED:
      return ErrorCode::kClosed;
    case EACCES:
    case EPERM:
      return ErrorCode::kDenied;
    case ENOSPC:
    case ENOMEM:
    case EDQUOT:
      return ErrorCode::kNoSpace;
    case EINVAL:
      return ErrorCode::kInvalid;
    case EOPNOTSUPP:
    case ENOSYS:
      return ErrorCode::kUnsupported;
    default:
      return ErrorCode::kIo;
  }
}

}  // namespace

tl::unexpected<Error> FailErrno(int sys_errno, std::string context) {
  return Fail(CodeOf(sys_errno), std::move(context), sys_errno);
}

}  // namespace seaward
