// Ctrl-C and SIGTERM as flags that the work looks at, and as something to wait for beside input.
#pragma once

#include <atomic>

namespace mcv::cli {

// The flag that the first Ctrl-C or SIGTERM sets; a second one ends the process at once. The
// handlers are installed on first use.
std::atomic<bool>& Interrupted();

// SIGTERM came: nothing new is to be begun.
bool Terminating();

// How many times Ctrl-C has to be pressed until the process ends at once, counted from now on; 0:
// never. Two unless somebody says otherwise.
void EndAfterPresses(int presses);

// Clears the flag, unless the process is to end anyway.
void ForgetInterrupt();

// A descriptor that can be read after a signal came (a window that changed its size, too), so that
// poll() sees signals that come just before it waits. -1 where there is none to be had.
int SignalDescriptor();
// Empties it.
void DrainSignals();

}  // namespace mcv::cli
