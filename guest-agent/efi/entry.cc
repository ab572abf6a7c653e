// Where the firmware enters, and the two functions that a compiler may call by itself.
#include "guest-agent/efi/driver.h"

extern "C" {

void* memcpy(void* to, const void* from, size_t count) {
  auto* out = static_cast<volatile uint8_t*>(to);
  const auto* in = static_cast<const uint8_t*>(from);
  for (size_t i = 0; i < count; ++i) out[i] = in[i];
  return to;
}

void* memset(void* to, int value, size_t count) {
  auto* out = static_cast<volatile uint8_t*>(to);
  for (size_t i = 0; i < count; ++i) out[i] = static_cast<uint8_t>(value);
  return to;
}

seaward::efi::Status efi_main(seaward::efi::Handle image, seaward::efi::SystemTable* system) {
  static seaward::efi::DriverMemory memory;
  if (system != nullptr) seaward::efi::ProtectListedPages(image, *system, memory);
  // Always: a driver that fails is said to have failed on the console of every boot.
  return seaward::efi::kSuccess;
}

}  // extern "C"
