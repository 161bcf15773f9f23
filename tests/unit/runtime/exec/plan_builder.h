// Owns writing small plans in tests: sizes as text, buffers and steps by short calls, weight files with checksums.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "runtime/base/crc32c.h"
#include "runtime/base/expr.h"
#include "runtime/base/safetensors.h"
#include "runtime/plan/plan.pb.h"
#include "runtime/plan/plan_io.h"

namespace shardwright {

class PlanBuilder {
 public:
  using Texts = std::vector<std::string>;

  PlanBuilder() {
    expr("0");
    expr("1");
    plan.set_version(kPlanVersion);
    plan.set_producer("test");
    plan.set_model("test.onnx");
    plan.mutable_target()->set_kind("cpu");
  }

  uint32_t expr(const std::string& text) {
    std::string canonical = Expr::parse(text).value().str();
    auto [place, isNew] = exprs_.try_emplace(canonical, plan.exprs_size());
    if (isNew) plan.add_exprs(canonical);
    return place->second;
  }
  void axis(const std::string& name, int64_t size) {
    auto* axis = plan.mutable_mesh()->add_axes();
    axis->set_name(name);
    axis->set_size(size);
  }
  // The group of whole axes.
  uint32_t group(std::vector<uint32_t> axes) {
    auto* group = plan.add_groups();
    for (uint32_t a : axes) {
      auto* digit = group->add_axes();
      digit->set_axis(a);
      digit->set_pre(1);
      digit->set_size(plan.mesh().axes(static_cast<int>(a)).size());
    }
    return static_cast<uint32_t>(plan.groups_size() - 1);
  }
  uint32_t symbol(const std::string& name, int64_t max, bool runTime = false) {
    auto* symbol = plan.add_symbols();
    symbol->set_name(name);
    symbol->set_min(0);
    symbol->set_max(max);
    symbol->set_divisor(1);
    symbol->set_assumed(std::min<int64_t>(max, 2));
    symbol->set_run_time(runTime);
    return static_cast<uint32_t>(plan.symbols_size() - 1);
  }
  uint32_t input(const std::string& name, DType dtype, const Texts& dims) {
    fill(plan.add_inputs(), name, dtype, dims);
    return static_cast<uint32_t>(plan.inputs_size() - 1);
  }
  uint32_t output(const std::string& name, DType dtype, const Texts& dims) {
    fill(plan.add_outputs(), name, dtype, dims);
    return static_cast<uint32_t>(plan.outputs_size() - 1);
  }
  uint32_t constant(const std::string& name, DType dtype, const Texts& dims) {
    auto* constant = plan.add_constants();
    constant->set_name(name);
    constant->set_dtype(static_cast<int32_t>(dtype));
    for (const std::string& dim : dims) constant->add_dims(expr(dim));
    for (const std::string& dim : dims) constant->add_global_dims(expr(dim));
    return static_cast<uint32_t>(plan.constants_size() - 1);
  }
  // Writes files "weights/<set>-<k>.safetensors", file k with values[k], of the constant's first set.
  void weights(const std::string& folder, uint32_t constant, const std::string& set, const std::string& index,
               const std::vector<std::vector<int64_t>>& dims, const std::vector<std::vector<float>>& values) {
    std::filesystem::create_directories(folder + "/weights");
    auto* weightSet = plan.add_weight_sets();
    weightSet->set_name(set);
    weightSet->set_index(expr(index));
    weightSet->set_count(static_cast<int64_t>(values.size()));
    auto* what = plan.mutable_constants(static_cast<int>(constant));
    what->set_weight_set(static_cast<uint32_t>(plan.weight_sets_size()));
    for (size_t k = 0; k < values.size(); ++k) {
      std::string path = folder + "/weights/" + set + "-" + std::to_string(k) + ".safetensors";
      auto writer = SafetensorsWriter::create(path, {{what->name(), DType::kFloat32, dims[k]}});
      int64_t bytes = static_cast<int64_t>(values[k].size() * sizeof(float));
      (void)!writer->append(values[k].data(), bytes).ok();
      (void)!writer->finish().ok();
      what->add_crc32c(crc32c(values[k].data(), static_cast<size_t>(bytes)));
      auto* section = plan.add_sections();
      section->set_file("weights/" + set + "-" + std::to_string(k) + ".safetensors");
      section->set_bytes(std::filesystem::file_size(path));
    }
  }

  plan::Program* program(const std::string& name, bool sub = false) {
    auto* program = plan.add_programs();
    program->set_name(name);
    program->set_sub_program(sub);
    return program;
  }
  // The entry of one stage with one program.
  void entry(const std::string& name, uint32_t program) {
    auto* entry = plan.add_entries();
    entry->set_name(name);
    entry->add_stages()->add_chunks(program);
  }
  uint32_t buffer(plan::Program* program, const std::string& name, plan::Buffer::Kind kind, DType dtype,
                  const std::string& count, uint32_t source = 0, uint32_t first = 0, uint32_t last = 1000) {
    auto* buffer = program->add_buffers();
    buffer->set_name(name);
    buffer->set_kind(kind);
    buffer->set_dtype(static_cast<int32_t>(dtype));
    buffer->set_count(expr(count));
    buffer->set_source(source);
    buffer->set_first_step(first);
    buffer->set_last_step(last);
    return static_cast<uint32_t>(program->buffers_size() - 1);
  }
  // Dense, unless strides are given.
  plan::View view(const plan::Program* program, uint32_t buffer, const Texts& dims, const std::string& offset = "0",
                  Texts strides = {}) {
    plan::View view;
    view.set_buffer(buffer);
    view.set_offset(expr(offset));
    view.set_dtype(program->buffers(static_cast<int>(buffer)).dtype());
    std::string stride = "1";
    if (strides.empty()) {
      strides.resize(dims.size());
      for (size_t i = dims.size(); i-- > 0;) {
        strides[i] = stride;
        stride = "(" + stride + ")*(" + dims[i] + ")";
      }
    }
    for (const std::string& dim : dims) view.add_dims(expr(dim));
    for (const std::string& s : strides) view.add_strides(expr(s));
    return view;
  }
  plan::Step* step(plan::Program* program, const std::string& name) {
    auto* step = program->add_steps();
    step->set_name(name);
    step->add_nodes("/node/" + name);
    return step;
  }
  plan::Step* kernel(plan::Program* program, const std::string& kernel, const std::string& name,
                     const std::vector<plan::View>& inputs, const std::vector<plan::View>& outputs) {
    auto* step = this->step(program, name);
    step->mutable_kernel()->set_kernel(kernel);
    for (const plan::View& view : inputs) *step->mutable_kernel()->add_inputs() = view;
    for (const plan::View& view : outputs) *step->mutable_kernel()->add_outputs() = view;
    return step;
  }
  plan::Step* collective(plan::Program* program, plan::CollectiveStep::Kind kind, const std::string& name,
                         uint32_t group, const plan::View& input, const plan::View& output) {
    auto* step = this->step(program, name);
    auto* what = step->mutable_collective();
    what->set_kind(kind);
    what->set_group(group);
    what->set_combiner("sum");
    *what->mutable_input() = input;
    *what->mutable_output() = output;
    return step;
  }

  plan::Plan plan;

 private:
  void fill(plan::Port* port, const std::string& name, DType dtype, const Texts& dims) {
    port->set_name(name);
    port->set_dtype(static_cast<int32_t>(dtype));
    for (const std::string& dim : dims) port->add_dims(expr(dim));
  }
  std::map<std::string, uint32_t> exprs_;
};

}  // namespace shardwright
