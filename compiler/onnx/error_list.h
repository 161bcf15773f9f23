// Owns how the user's errors about one model file are gathered, so that a walk reports all of them, and how they are worded:
// "model.onnx: NODE: what was found; what is allowed or what to do", a line each.
#pragma once

#include <string>
#include <string_view>

#include "runtime/base/status.h"

namespace shardwright {

class ErrorList {
 public:
  explicit ErrorList(std::string fileName) : fileName_(std::move(fileName)) {}

  // `where` is a node's name, or empty for what concerns the whole file.
  void add(std::string_view where, std::string_view message) {
    if (!text_.empty()) text_ += '\n';
    text_ += fileName_ + ": ";
    if (!where.empty()) text_.append(where).append(": ");
    text_ += message;
  }

  bool empty() const { return text_.empty(); }
  Status status() const { return text_.empty() ? Status() : userError(text_); }

 private:
  std::string fileName_;
  std::string text_;
};

}  // namespace shardwright
