#include "guest-agent/preboot/pe_image.h"

#include "base/byte_codec.h"

namespace seaward::agent {
namespace {

// Offsets of the PE format: the DOS header names the place of "PE\0\0", a COFF header of 20 bytes
// follows, then the optional header of PE32+ with its directories.
constexpr std::size_t kPeOffsetAt = 0x3c;
constexpr std::uint32_t kPeMagic = 0x00004550;
constexpr std::uint16_t kPe32Plus = 0x20b;
constexpr std::size_t kOptionalHeaderAt = 24;
constexpr std::size_t kDirectoryCountAt = kOptionalHeaderAt + 108;
constexpr std::size_t kCertificateDirectoryAt = kOptionalHeaderAt + 112 + 4 * 8;
constexpr std::uint32_t kCertificateDirectory = 4;

template <class T>
T At(std::span<const std::byte> file, std::size_t offset, bool& inside) {
  if (offset > file.size() || file.size() - offset < sizeof(T)) {
    inside = false;
    return 0;
  }
  return ByteReader(file.subspan(offset)).Get<T>();
}

}  // namespace

Result<PeImage> ReadPeImage(std::span<const std::byte> file) {
  bool inside = true;
  const std::size_t pe = At<std::uint32_t>(file, kPeOffsetAt, inside);
  const bool magic = At<std::uint32_t>(file, pe, inside) == kPeMagic &&
                     At<std::uint16_t>(file, pe + kOptionalHeaderAt, inside) == kPe32Plus;
  PeImage image;
  image.machine = At<std::uint16_t>(file, pe + 4, inside);
  const auto directories = At<std::uint32_t>(file, pe + kDirectoryCountAt, inside);
  if (!inside || !magic) return Fail(ErrorCode::kInvalid, "not a UEFI program");
  if (directories <= kCertificateDirectory) return image;
  const auto offset = At<std::uint32_t>(file, pe + kCertificateDirectoryAt, inside);
  const auto length = At<std::uint32_t>(file, pe + kCertificateDirectoryAt + 4, inside);
  image.is_signed = inside && offset != 0 && length != 0;
  return image;
}

}  // namespace seaward::agent
