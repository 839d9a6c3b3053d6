// The border at which an exception becomes a Status: callers of a room know no other kind of error.
#pragma once

#include <exception>
#include <new>
#include <stdexcept>
#include <string>

#include "base/status.h"

namespace mcv {

// What f() returns (a Status or a Result); if it throws, ResourceExhausted for memory that is not
// to be had and Internal for the rest. `what` begins the message: the file in hand, for instance.
template <typename F>
auto WithoutThrowing(const std::string& what, F f) -> decltype(f()) {
  try {
    return f();
  } catch (const std::bad_alloc&) {
    return ResourceExhausted(what + ": there is not enough memory for it");
  } catch (const std::length_error&) {
    return ResourceExhausted(what + ": there is not enough memory for it");
  } catch (const std::exception& error) {
    return Internal(what + ": " + error.what());
  }
}

}  // namespace mcv
