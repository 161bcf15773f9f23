// Owns writing a model with device configurations: the bytes of the file that was read, and the annotations among them. Weights are
// copied as they lie in the file, or stay references to their own; nothing but node names is parsed.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "compiler/onnx/device_annotations.h"
#include "runtime/base/status.h"

namespace shardwright {

// What a node of the file's main graph is called, and reads and writes; with the name that import gives it where it has none.
struct NodeNames {
  std::string name;
  std::vector<std::string> inputs, outputs;
};

class AnnotatedModel {
 public:
  // kUserError where the file is no model.
  static StatusOr<std::unique_ptr<AnnotatedModel>> open(const std::string& path);
  ~AnnotatedModel();

  const std::vector<NodeNames>& nodes() const;
  // configuration.nodes are by node of the file, in its order. Replaces what the model says for a configuration of this name, keeps what it
  // says for others, and makes its IR version at least 11, the first that has them. kUserError where the model's external data would
  // not be beside the new file, or the new file is the old one.
  Status write(const std::string& path, const DeviceConfiguration& configuration) const;

 private:
  struct State;
  explicit AnnotatedModel(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace shardwright
