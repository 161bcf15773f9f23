// Plans whose bytes are damaged in ways that a checksum would not see, because whoever wrote them made it fit: the checker
// refuses them, or what follows it copes with them. Run under the sanitizers.
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

#include "runtime/base/file.h"
#include "runtime/plan/checker.h"
#include "runtime/plan/plan_io.h"
#include "runtime/plan/report.h"

namespace shardwright {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

class Vandal {
 public:
  explicit Vandal(unsigned seed) : random_(seed) {}

  // Changes one number, text or list somewhere below.
  void damage(Message& message) {
    const Reflection& reflection = *message.GetReflection();
    std::vector<const FieldDescriptor*> fields;
    reflection.ListFields(message, &fields);
    if (fields.empty()) return;
    const FieldDescriptor* field = fields[pick(fields.size())];
    int size = field->is_repeated() ? reflection.FieldSize(message, field) : 0;
    if (field->is_repeated() && pick(8) == 0) return reflection.RemoveLast(&message, field);
    int at = size > 0 ? static_cast<int>(pick(static_cast<size_t>(size))) : 0;
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      return damage(field->is_repeated() ? *reflection.MutableRepeatedMessage(&message, field, at)
                                         : *reflection.MutableMessage(&message, field));
    }
    scalar(message, reflection, field, at);
  }

 private:
  size_t pick(size_t n) { return random_() % n; }

  int64_t number() {
    const int64_t kNumbers[] = {0, 1, 2, 3, 7, -1, 1000, INT32_MAX, INT64_MAX, INT64_MIN, int64_t{1} << 40};
    return kNumbers[pick(11)];
  }

  std::string text() {
    const char* kTexts[] = {"",
                            "0",
                            "batch",
                            "%count",
                            "@tp",
                            "batch*batch*9223372036854775807",
                            "floordiv(1, seq)",
                            "-batch",
                            "init",
                            "floordiv(9223372036854775807*seq, past)",
                            "max(seq, batch, past)"};
    return kTexts[pick(11)];
  }

  void scalar(Message& m, const Reflection& r, const FieldDescriptor* f, int at) {
    bool many = f->is_repeated();
    int64_t n = number();
    switch (f->cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT32:
        return many ? r.SetRepeatedInt32(&m, f, at, static_cast<int32_t>(n))
                    : r.SetInt32(&m, f, static_cast<int32_t>(n));
      case FieldDescriptor::CPPTYPE_INT64:
        return many ? r.SetRepeatedInt64(&m, f, at, n) : r.SetInt64(&m, f, n);
      case FieldDescriptor::CPPTYPE_UINT32:
        return many ? r.SetRepeatedUInt32(&m, f, at, static_cast<uint32_t>(n))
                    : r.SetUInt32(&m, f, static_cast<uint32_t>(n));
      case FieldDescriptor::CPPTYPE_UINT64:
        return r.SetUInt64(&m, f, static_cast<uint64_t>(n));
      case FieldDescriptor::CPPTYPE_DOUBLE:
        return r.SetDouble(&m, f, static_cast<double>(n));
      case FieldDescriptor::CPPTYPE_BOOL:
        return r.SetBool(&m, f, pick(2) == 0);
      case FieldDescriptor::CPPTYPE_ENUM:
        return r.SetEnumValue(&m, f, static_cast<int>(pick(8)));
      case FieldDescriptor::CPPTYPE_STRING:
        return many ? r.SetRepeatedString(&m, f, at, text()) : r.SetString(&m, f, text());
      default:
        return;
    }
  }

  std::mt19937 random_;
};

TEST(HostilePlan, checker_and_report_survive_any_damage) {
  const char* given = std::getenv("SHARDWRIGHT_TEST_SEED");
  unsigned seed = given ? static_cast<unsigned>(std::atoi(given)) : std::random_device()();
  std::cout << "SHARDWRIGHT_TEST_SEED=" << seed << "\n";
  Vandal vandal(seed);
  int refused = 0, passed = 0;
  for (const char* name : {"decoder", "pipeline"}) {
    plan::Plan good = *parsePlanText(
        *readWholeFile(SHARDWRIGHT_SOURCE_DIR "/tests/unit/runtime/plan/plans/" + std::string(name) + ".textproto"));
    for (int i = 0; i < 600; ++i) {
      plan::Plan plan = good;
      for (int k = 0; k <= i % 3; ++k) vandal.damage(plan);
      CheckOptions options;
      options.depth = i % 2 ? CheckDepth::kProof : CheckDepth::kAssumedSizes;
      if (!planViolations(plan, options).empty()) {
        ++refused;
        continue;
      }
      ++passed;
      (void)reportPlan(plan, "").ok();
    }
  }
  EXPECT_GT(refused, 300);
  EXPECT_GT(passed, 20);
}

}  // namespace
}  // namespace shardwright
