// How this process hands memory back to the kernel.
#pragma once

namespace seaward {

// Before any thread is started. What one large answer took is given back after it: by default the C
// library keeps tens of megabytes for the next one, and apart for each thread.
void ReturnMemoryPromptly();

// What is free between things that live on: after an answer about every page of every VM. Takes
// milliseconds.
void ReturnFreeMemory();

}  // namespace seaward
