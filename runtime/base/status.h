// Owns Status and StatusOr: how a function of the runtime, or a pure algorithm of the compiler, says that it failed.
// It does not own MLIR diagnostics: errors about the user's model inside the IR go through emitError.
#pragma once

#include <cassert>
#include <optional>
#include <string>
#include <utility>

namespace shardwright {

// The values are the exit statuses of the tools.
enum class StatusCode {
  kOk = 0,
  kCheckFailed = 1,  // a comparison was out of tolerance
  kUserError = 2,    // the model, the spec, the data or the plan is wrong; the user mends it
  kEnvironment = 3,  // a device, a peer or a file system failed; the operator mends it
  kInternal = 4,     // we are wrong
};

// A code and one message that says where, what was found, what is allowed and what to do.
class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(StatusCode code, std::string message) : code_(code), message_(std::move(message)) {}

  bool ok() const { return code_ == StatusCode::kOk; }
  StatusCode code() const { return code_; }
  const std::string& message() const { return message_; }

  // The same failure seen from further out: "<where>: <message>".
  Status within(const std::string& where) const { return ok() ? *this : Status(code_, where + ": " + message_); }

 private:
  StatusCode code_ = StatusCode::kOk;
  std::string message_;
};

inline Status userError(std::string message) { return {StatusCode::kUserError, std::move(message)}; }
inline Status environmentError(std::string message) { return {StatusCode::kEnvironment, std::move(message)}; }
inline Status internalError(std::string message) {
  return {StatusCode::kInternal, "internal error: " + std::move(message)};
}

// Either a value or a failure.
template <typename T>
class [[nodiscard]] StatusOr {
 public:
  StatusOr(Status status) : status_(std::move(status)) { assert(!status_.ok()); }
  StatusOr(T value) : value_(std::move(value)) {}

  bool ok() const { return value_.has_value(); }
  const Status& status() const { return status_; }
  T& value() & {
    assert(ok());
    return *value_;
  }
  const T& value() const& {
    assert(ok());
    return *value_;
  }
  T&& value() && {
    assert(ok());
    return std::move(*value_);
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

 private:
  Status status_;
  std::optional<T> value_;
};

}  // namespace shardwright

#define SW_CONCAT_INNER(a, b) a##b
#define SW_CONCAT(a, b) SW_CONCAT_INNER(a, b)

// Returns the failure of `expr` from the enclosing function.
#define SW_RETURN_IF_ERROR(expr)                                                     \
  do {                                                                               \
    if (::shardwright::Status sw_status = (expr); !sw_status.ok()) return sw_status; \
  } while (false)

// Declares or assigns `lhs` from a StatusOr, or returns its failure.
#define SW_ASSIGN_OR_RETURN(lhs, expr) SW_ASSIGN_OR_RETURN_IMPL(SW_CONCAT(sw_result_, __LINE__), lhs, expr)
#define SW_ASSIGN_OR_RETURN_IMPL(result, lhs, expr) \
  auto result = (expr);                             \
  if (!result.ok()) return result.status();         \
  lhs = std::move(result).value()
