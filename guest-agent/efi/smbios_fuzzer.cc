// Any bytes as SMBIOS structures or entry point: read within their bounds.
#include "guest-agent/efi/smbios.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  seaward::efi::SmbiosTable table;
  (void)seaward::efi::ReadSmbiosEntry({data, size}, table);
  (void)seaward::efi::FindSystemUuid({data, size}, size % 2 == 0);
  return 0;
}
