// Linked into a program, this file makes its `new` take from the reserve (reserved_heap.h).
#include <new>

#include "guest-agent/app/reserved_heap.h"

void* operator new(std::size_t bytes) {
  if (void* const block = seaward::agent::TakeReserved(bytes)) return block;
  throw std::bad_alloc();
}
void* operator new[](std::size_t bytes) {
  return operator new(bytes);
}
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  return seaward::agent::TakeReserved(bytes);
}
void* operator new[](std::size_t bytes, const std::nothrow_t&) noexcept {
  return seaward::agent::TakeReserved(bytes);
}
void operator delete(void* block) noexcept {
  seaward::agent::GiveBackReserved(block);
}
void operator delete[](void* block) noexcept {
  seaward::agent::GiveBackReserved(block);
}
void operator delete(void* block, std::size_t) noexcept {
  seaward::agent::GiveBackReserved(block);
}
void operator delete[](void* block, std::size_t) noexcept {
  seaward::agent::GiveBackReserved(block);
}
void operator delete(void* block, const std::nothrow_t&) noexcept {
  seaward::agent::GiveBackReserved(block);
}
void operator delete[](void* block, const std::nothrow_t&) noexcept {
  seaward::agent::GiveBackReserved(block);
}
