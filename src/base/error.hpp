// Errors of the whole product: what a caller may do about one (kind), which one it is (code), and words for a person.
#pragma once
#include <nlohmann/json.hpp>

#include <cstdint>
#include <exception>
#include <expected>
#include <string>
#include <string_view>

namespace toygres {

// What the caller may do about an error. The runtime retries transient and timeout only.
enum class ErrorKind : std::uint8_t {
    invalid,
    not_found,
    conflict,
    forbidden,
    transient,
    timeout,
    cancelled,
    internal
};

struct Error {
    ErrorKind kind;
    std::string code;                  // stable, machine-readable: "name_taken"
    std::string message;               // for people; never holds a secret
    nlohmann::json details = nullptr;  // structured context: {"field": "spec.name"}; never holds a secret

    bool retryable() const { return kind == ErrorKind::transient || kind == ErrorKind::timeout; }
    bool operator==(const Error&) const = default;
};

// Decisions follow kind and code, never message text.
template <class T> using Result = std::expected<T, Error>;

// Carries an Error past callers that do not branch on it. Caught at the edges only: request, activity attempt, turn.
class ErrorException : public std::exception {
  public:
    explicit ErrorException(Error error) : error_(std::move(error)) {}
    const char* what() const noexcept override { return error_.message.c_str(); }
    const Error& error() const { return error_; }

  private:
    Error error_;
};

[[noreturn]] void raise(ErrorKind kind, std::string code, std::string message, nlohmann::json details = nullptr);

// The value, or the error thrown as an ErrorException.
template <class T> T value_or_raise(Result<T> result) {
    if (!result) throw ErrorException(std::move(result).error());
    if constexpr (!std::is_void_v<T>) return *std::move(result);
}

// The error of the exception in flight; anything that is not an ErrorException becomes `internal`/"unexpected".
// Call it inside a catch block only.
Error current_error();

std::string_view to_string(ErrorKind kind);
// `internal` for a name that no kind has, so that history written by a newer release still loads.
ErrorKind error_kind_from(std::string_view name);

// The stored and wire form: {"kind", "code", "message"[, "details"]}.
nlohmann::json to_json_value(const Error& error);
Error error_from_json(const nlohmann::json& value);

}  // namespace toygres
