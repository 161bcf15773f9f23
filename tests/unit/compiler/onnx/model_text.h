// Owns what the tests of the reader share: models written as ONNX's text form, and a folder that is gone afterwards.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "onnx/defs/parser.h"

namespace shardwright {

inline onnx::ModelProto parseModel(const std::string& text) {
  onnx::ModelProto model;
  auto status = onnx::OnnxParser::Parse(model, text.c_str());
  EXPECT_TRUE(status.IsOK()) << status.ErrorMessage();
  return model;
}

// A model of IR version 10 and opset 20 with one graph, whose text begins at its inputs: "(float[4] x) => (float[4] y) { … }".
inline onnx::ModelProto parseGraph(const std::string& graph) {
  return parseModel("<ir_version: 10, opset_import: [\"\" : 20, \"my\" : 1]> g " + graph);
}

class ModelFolder {
 public:
  ModelFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "shardwright_XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ModelFolder(const ModelFolder&) = delete;
  ~ModelFolder() { std::filesystem::remove_all(path_); }

  std::string file(const std::string& name) const { return path_ + "/" + name; }
  void write(const std::string& name, const std::string& bytes) const {
    std::ofstream(file(name), std::ios::binary) << bytes;
  }
  std::string write(const onnx::ModelProto& model) const {
    write("model.onnx", model.SerializeAsString());
    return file("model.onnx");
  }

 private:
  std::string path_;
};

}  // namespace shardwright
