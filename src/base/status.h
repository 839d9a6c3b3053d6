// Status and Result: how every border of this library answers for what the outside world did.
//
// A Status says what was expected, what came, where, and what to do about it. The library never
// prints, exits or throws across a room's border. MCV_CHECK is for mistakes that only our own code
// can make.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace mcv {

enum class StatusCode : uint8_t {
  kOk,
  kInvalidArgument,    // the caller or the user asked for something that cannot be
  kNotFound,           // a file, key or tensor is not there
  kCorrupt,            // data breaks its own format
  kUnsupported,        // well formed, but not something this program handles
  kResourceExhausted,  // a limit, memory or disk would be exceeded
  kContextFull,        // the conversation does not fit into the context any more
  kCancelled,          // the caller asked to stop
  kIo,                 // the operating system refused
  kInternal,           // our own mistake, noticed in time
};

const char* StatusCodeName(StatusCode code);

// Cheap when OK: one pointer. Immutable, so it may be copied and shared between threads.
class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(StatusCode code, std::string message);

  bool ok() const { return state_ == nullptr; }
  StatusCode code() const { return state_ ? state_->code : StatusCode::kOk; }
  const std::string& message() const;
  // "corrupt: ..." for people; "ok" when OK.
  std::string ToString() const;
  // The same status with "context: " put before its message; OK stays OK.
  Status Annotate(const std::string& context) const;

 private:
  struct State {
    StatusCode code;
    std::string message;
  };
  std::shared_ptr<const State> state_;
};

inline Status OkStatus() { return Status(); }
Status InvalidArgument(std::string message);
Status NotFound(std::string message);
Status Corrupt(std::string message);
Status Unsupported(std::string message);
Status ResourceExhausted(std::string message);
Status ContextFull(std::string message);
Status Cancelled(std::string message);
Status IoError(std::string message);
Status Internal(std::string message);

[[noreturn]] void CheckFailed(const char* file, int line, const char* condition);

// For invariants that no input can break.
#define MCV_CHECK(condition) \
  ((condition) ? (void)0 : ::mcv::CheckFailed(__FILE__, __LINE__, #condition))
#ifdef NDEBUG
#define MCV_DCHECK(condition) ((void)0)
#else
#define MCV_DCHECK(condition) MCV_CHECK(condition)
#endif

// A value or the reason why there is none.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}         // NOLINT: implicit by design
  Result(Status status) : status_(std::move(status)) {  // NOLINT: implicit by design
    MCV_CHECK(!status_.ok());
  }

  bool ok() const { return value_.has_value(); }
  const Status& status() const { return status_; }
  T& value() & {
    MCV_CHECK(ok());
    return *value_;
  }
  const T& value() const& {
    MCV_CHECK(ok());
    return *value_;
  }
  T&& value() && {
    MCV_CHECK(ok());
    return std::move(*value_);
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

 private:
  std::optional<T> value_;
  Status status_;
};

// Leaves the function with the status if it is not OK.
#define MCV_RETURN_IF_ERROR(expression)        \
  do {                                         \
    ::mcv::Status mcv_status_ = (expression);  \
    if (!mcv_status_.ok()) return mcv_status_; \
  } while (false)
// NOLINTBEGIN(bugprone-macro-parentheses): a declaration cannot stand in parentheses.
#define MCV_CONCAT_INNER_(a, b) a##b
#define MCV_CONCAT_(a, b) MCV_CONCAT_INNER_(a, b)
// MCV_ASSIGN_OR_RETURN(auto x, MakeX()): x is the value, or the function returns the status.
#define MCV_ASSIGN_OR_RETURN(declaration, expression) \
  MCV_ASSIGN_OR_RETURN_(MCV_CONCAT_(mcv_result_, __LINE__), declaration, expression)
#define MCV_ASSIGN_OR_RETURN_(result, declaration, expression) \
  auto result = (expression);                                  \
  if (!result.ok()) return result.status();                    \
  declaration = std::move(result).value()
// NOLINTEND(bugprone-macro-parentheses)
}  // namespace mcv
