#include "runtime/exec/plan_image.h"

#include <dlfcn.h>

#include <algorithm>

#include "runtime/plan/mesh_ranks.h"

namespace shardwright {
namespace {

constexpr char kCodeFile[] = "code.so";

}  // namespace

StatusOr<std::shared_ptr<const PlanImage>> PlanImage::make(plan::Plan plan, std::string folder) {
  SW_ASSIGN_OR_RETURN(ExprTable table, ExprTable::make(plan));
  std::shared_ptr<PlanImage> image(new PlanImage(std::move(plan), std::move(folder), std::move(table)));
  SW_RETURN_IF_ERROR(image->openCode());
  return std::shared_ptr<const PlanImage>(image);
}

PlanImage::~PlanImage() {
  if (code_) dlclose(code_);
}

Status PlanImage::openCode() {
  bool present = std::any_of(plan_.sections().begin(), plan_.sections().end(),
                             [](const plan::Section& section) { return section.file() == kCodeFile; });
  if (!present) return Status();
  // A name without a slash would be looked for in the system's folders.
  std::string path = (folder_.empty() ? "." : folder_) + "/" + kCodeFile;
  code_ = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!code_) return environmentError(std::string("the plan's code cannot be loaded: ") + dlerror());
  return Status();
}

StatusOr<LoopFunction> PlanImage::function(const std::string& name) const {
  void* address = code_ ? dlsym(code_, name.c_str()) : nullptr;
  if (!address) {
    return userError(folder_ + "/" + kCodeFile + (code_ ? " has no function '" : " is not there; it should have '") +
                     name + "'; compile the model again");
  }
  return reinterpret_cast<LoopFunction>(address);
}

int PlanImage::entryNamed(const std::string& name) const {
  for (int i = 0; i < plan_.entries_size(); ++i) {
    if (plan_.entries(i).name() == name) return i;
  }
  return -1;
}

std::string describeStep(const plan::Step& step) {
  std::string nodes;
  for (const std::string& node : step.nodes()) nodes += (nodes.empty() ? "" : ", ") + node;
  if (nodes.empty()) return "step " + step.name();
  return "step " + step.name() + (step.nodes_size() > 1 ? " (nodes " : " (node ") + nodes + ")";
}

std::string describeRank(const plan::Mesh& mesh, int rank) {
  std::vector<int64_t> coordinates = coordinatesOf(mesh, rank);
  std::string where;
  for (int i = 0; i < mesh.axes_size(); ++i) {
    where += (i ? ", " : "") + mesh.axes(i).name() + "=" + std::to_string(coordinates[static_cast<size_t>(i)]);
  }
  return "rank " + std::to_string(rank) + (where.empty() ? "" : " (" + where + ")");
}

std::string describeGroup(const plan::Mesh& mesh, const plan::Group& group) {
  std::string name;
  for (const plan::SubAxis& digit : group.axes()) name += (name.empty() ? "" : ",") + subAxisText(mesh, digit);
  return name;
}

}  // namespace shardwright
