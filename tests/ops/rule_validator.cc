#include "tests/ops/rule_validator.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <functional>

#include "tests/ops/sample_run.h"

namespace shardwright {
namespace {

// A sample with variants, and what they computed.
struct VariantsRun {
  std::vector<RuleVariant> variants;
  Status status;  // of compiling and running
  std::vector<HostTensor> outputs;

  std::optional<std::string> wrong(const RuleVariant& variant) const {
    for (int i = 0; i < variant.count; ++i)
      if (auto found = difference(outputs[static_cast<size_t>(variant.first + i)],
                                  outputs[static_cast<size_t>(variant.whole + i)]))
        return found;
    return std::nullopt;
  }

  // Of results whose elements are all the same, every part is like every other.
  bool isUniform(const RuleVariant& variant) const {
    for (int i = 0; i < variant.count; ++i) {
      const HostTensor& whole = outputs[static_cast<size_t>(variant.whole + i)];
      for (int64_t e = 1; e < whole.count(); ++e)
        if (std::memcmp(whole.bytes.get(), whole.bytes.get() + byteSize(whole.dtype, e),
                        static_cast<size_t>(byteSize(whole.dtype, 1))) != 0)
          return false;
    }
    return true;
  }
};

enum class Form { kAsWritten, kExpanded };

// Nothing where the expanded form is the one as written.
StatusOr<std::optional<VariantsRun>> runVariants(const RuleSample& sample, const Mesh& mesh, Form form,
                                                 std::optional<RuleFault> fault = std::nullopt,
                                                 std::optional<int> only = std::nullopt) {
  const auto context = sampleContext();
  SW_ASSIGN_OR_RETURN(auto module, importSample(*context, sample));
  if (form == Form::kExpanded && !expandComposites(*module)) return std::optional<VariantsRun>();
  VariantsRun run;
  SW_ASSIGN_OR_RETURN(run.variants, addVariants(*module, mesh, fault, only));
  if (fault && run.variants.empty()) return std::optional<VariantsRun>(std::move(run));
  auto outputs = compileAndRun(*module, sample);
  run.status = outputs.status();
  if (outputs.ok()) run.outputs = std::move(*outputs);
  return std::optional<VariantsRun>(std::move(run));
}

// What the work returns, done in a process of its own; nothing if it ends otherwise, as by an assertion.
std::optional<std::string> inChild(const std::function<std::string()>& work) {
  int ends[2];
  if (pipe(ends) != 0) return std::nullopt;
  const pid_t child = fork();
  if (child == 0) {
    close(ends[0]);
    dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
    const std::string text = work();
    _exit(write(ends[1], text.data(), text.size()) == static_cast<ssize_t>(text.size()) ? 0 : 1);
  }
  close(ends[1]);
  std::string text;
  char buffer[4096];
  for (ssize_t count; (count = read(ends[0], buffer, sizeof buffer)) > 0;)
    text.append(buffer, static_cast<size_t>(count));
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) return std::nullopt;
  return text;
}

// By variant, "1" if it is found out, "0" if not, "-" where nothing could differ; nothing if the compiler or the runtime refuses one of them, which hides the others.
std::optional<std::string> foundOut(const RuleSample& sample, const Mesh& mesh, Form form, RuleFault fault,
                                    std::optional<int> only = std::nullopt) {
  auto found = inChild([&]() -> std::string {
    const auto run = runVariants(sample, mesh, form, fault, only);
    if (!run.ok() || !*run || !(**run).status.ok()) return "refused";
    std::string text;
    for (const RuleVariant& variant : (**run).variants)
      text += (**run).wrong(variant) ? "1" : (**run).isUniform(variant) ? "-" : "0";
    return text;
  });
  if (found && *found == "refused") return std::nullopt;
  return found;
}

Status addFaults(const RuleSample& sample, const Mesh& mesh, Form form, RuleFault fault,
                 std::vector<FaultyRule>& rules) {
  const auto context = sampleContext();
  SW_ASSIGN_OR_RETURN(auto module, importSample(*context, sample));
  if (form == Form::kExpanded && !expandComposites(*module)) return Status();
  SW_ASSIGN_OR_RETURN(const std::vector<RuleVariant> variants, addVariants(*module, mesh, fault));
  if (variants.empty()) return Status();
  const auto all = foundOut(sample, mesh, form, fault);
  for (size_t i = 0; i < variants.size(); ++i) {
    const auto alone =
        all ? std::optional(all->substr(i, 1)) : foundOut(sample, mesh, form, fault, static_cast<int>(i));
    if (alone == "-") continue;
    rules.push_back({variants[i].op, std::string(sample.name) + ": " + variants[i].description, alone != "0"});
  }
  return Status();
}

}  // namespace

StatusOr<RuleValidation> validateRules(const RuleSample& sample, const std::string& meshText) {
  SW_ASSIGN_OR_RETURN(const Mesh mesh, Mesh::parse(meshText));
  RuleValidation validation;
  for (Form form : {Form::kAsWritten, Form::kExpanded}) {
    const auto run = runVariants(sample, mesh, form);
    const Status status = !run.ok() ? run.status() : *run ? (**run).status : Status();
    if (!status.ok()) return status.within(std::string(sample.name) + " on " + meshText);
    if (!*run) continue;
    for (const RuleVariant& variant : (**run).variants) {
      validation.ops.insert(variant.op);
      if (auto wrong = (**run).wrong(variant))
        validation.failures.push_back(std::string(sample.name) + ": " + variant.description + ": " + *wrong);
    }
    validation.numVariants += static_cast<int>((**run).variants.size());
  }
  return validation;
}

StatusOr<std::vector<FaultyRule>> validateFaults(const RuleSample& sample, const std::string& meshText,
                                                 RuleFault fault) {
  SW_ASSIGN_OR_RETURN(const Mesh mesh, Mesh::parse(meshText));
  std::vector<FaultyRule> rules;
  for (Form form : {Form::kAsWritten, Form::kExpanded})
    if (Status status = addFaults(sample, mesh, form, fault, rules); !status.ok())
      return status.within(std::string(sample.name) + " on " + meshText);
  return rules;
}

}  // namespace shardwright
