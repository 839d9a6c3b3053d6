// Threads that the system did not give: worth telling whoever wonders why it takes long.
#pragma once

namespace mcv {

// How many workers the thread pools of this process have had to do without.
int RefusedThreads();

}  // namespace mcv
