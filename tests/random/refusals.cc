#include "tests/random/refusals.h"

#include <algorithm>

#include "compiler/dist/mesh.h"

namespace shardwright {
namespace {

class Refusal {
 public:
  Refusal(RandomCase& made, const std::string& message) : made_(made), message_(message) {}

  bool drop() { return dropMicrobatches() || dropStages() || dropLimit() || dropAnnotations(); }

 private:
  bool says(const std::string& words) const { return message_.find(words) != std::string::npos; }

  bool dropMicrobatches() {
    if (made_.microbatches == 1 || !says("cannot be cut into microbatches")) return false;
    made_.microbatches = 1;
    return true;
  }

  // Fewer chunks, then fewer stages.
  bool dropStages() {
    if (!made_.stages.empty() && (says("the pins leave no ") || says(" is pinned to stage "))) {
      made_.stages.clear();
      return true;
    }
    if (!says("axis pp wants ")) return false;
    if (made_.schedule.rfind("interleaved", 0) == 0) {
      made_.schedule.clear();
      return true;
    }
    std::vector<MeshAxis> axes = Mesh::parse(made_.mesh)->axes();
    auto pp = std::find_if(axes.begin(), axes.end(), [](const MeshAxis& axis) { return axis.name == "pp"; });
    if (pp == axes.end() || pp->size == 1) return false;
    pp->size = 1;
    made_.mesh = Mesh(axes).str();
    made_.stages.clear();
    return true;
  }

  bool dropLimit() {
    if (made_.memoryPercent == 0 || !(says("--memory-limit ") || says(" bytes of weights and live values")))
      return false;
    made_.memoryPercent = 0;
    return true;
  }

  bool isRefused(const std::string& path) const {
    for (size_t at = 0; (at = message_.find(path + "/", at)) != std::string::npos; ++at) {
      const std::string line = message_.substr(at, message_.find('\n', at) - at);
      for (const char* reason : {"leave one of them out", "is used twice", " has no dim ", "cannot be split in"})
        if (line.find(reason) != std::string::npos) return true;
    }
    return says(path + ": the model has no such ");
  }

  template <typename T, typename F>
  static bool dropIf(std::vector<T>& all, F isRefused) {
    const auto end = std::remove_if(all.begin(), all.end(), isRefused);
    const bool isAny = end != all.end();
    all.erase(end, all.end());
    return isAny;
  }

  bool dropAnnotations() {
    auto ofNode = [&](const std::string& node) { return isRefused(": /nodes/" + made_.nodeName(node)); };
    bool dropped = dropIf(made_.pins, [&](const CasePin& pin) { return isRefused(": /tensors/" + pin.name); });
    dropped |= dropIf(made_.strategies, [&](const CaseStrategy& s) {
      return ofNode(s.node) || says(": " + made_.nodeName(s.node) + ": the spec's strategy has axis " + s.axis);
    });
    dropped |= dropIf(made_.stages, [&](const CaseStage& s) { return ofNode(s.node); });
    return dropped;
  }

  RandomCase& made_;
  const std::string& message_;
};

}  // namespace

bool dropRefused(RandomCase& made, const std::string& message) { return Refusal(made, message).drop(); }

}  // namespace shardwright
