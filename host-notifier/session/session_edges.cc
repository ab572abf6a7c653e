#include "host-notifier/session/session_edges.h"

namespace seaward::session {

std::string_view ToString(ProtocolFault fault) {
  switch (fault) {
    case ProtocolFault::kGarbage:
      return "garbage";
    case ProtocolFault::kForeignVersion:
      return "foreign_version";
    case ProtocolFault::kUnknownType:
      return "unknown_type";
    case ProtocolFault::kMalformed:
      return "malformed";
    case ProtocolFault::kWrongNonce:
      return "wrong_nonce";
    case ProtocolFault::kOldSequence:
      return "old_sequence";
    case ProtocolFault::kLostFrames:
      return "lost_frames";
    case ProtocolFault::kUnexpected:
      return "unexpected";
    case ProtocolFault::kHelloFlood:
      return "hello_flood";
    case ProtocolFault::kUnknownPage:
      return "unknown_page";
    case ProtocolFault::kForeignRange:
      return "foreign_range";
    case ProtocolFault::kContradiction:
      return "contradiction";
    case ProtocolFault::kTooManyPieces:
      return "too_many_pieces";
    case ProtocolFault::kTooManyClaims:
      return "too_many_claims";
    case ProtocolFault::kTooManyLosses:
      return "too_many_losses";
    case ProtocolFault::kFlood:
      return "flood";
  }
  return "unknown";
}

}  // namespace seaward::session
