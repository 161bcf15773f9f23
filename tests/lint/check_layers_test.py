"""The layer check finds planted violations, and nothing in clean files."""

import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools" / "lint"))
import check_layers


class CheckLayers(unittest.TestCase):
    def violationsOf(self, files):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for path, text in files.items():
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).write_text(text)
            return check_layers.check(root)

    def testIncludesDownTheLayersAreFine(self):
        self.assertEqual([], self.violationsOf({
            "runtime/exec/step.cc": '#include "runtime/exec/step.h"\n#include "runtime/base/status.h"\n#include <vector>\n',
            "passes/lower/lower.cc": '#include "compiler/ops/row.h"\n#include "runtime/plan/plan.pb.h"\n#include "mlir/IR/Builders.h"\n',
            "tools/shardc.cc": '#include "passes/pipeline.h"\n#include "runtime/session/session.h"\n'}))

    def testIncludeOfAHigherRuntimeFolder(self):
        violations = self.violationsOf({"runtime/plan/checker.cc": '// text\n#include "runtime/exec/step.h"\n'})
        self.assertEqual(1, len(violations))
        self.assertTrue(violations[0].startswith("runtime/plan/checker.cc:2: includes runtime/exec/step.h"), violations[0])

    def testCompilerMustNotSeeTheExecutor(self):
        self.assertEqual(1, len(self.violationsOf({"compiler/emit/emit.cc": '#include "runtime/exec/step.h"\n'})))

    def testRuntimeMustNotSeeTheCompilerNorMlirLlvmOnnx(self):
        violations = self.violationsOf({"runtime/session/session.cc": '#include "compiler/emit/emit.h"\n#include "mlir/IR/Value.h"\n'
                                        '#include <llvm/ADT/SmallVector.h>\n#  include <onnx/onnx_pb.h>\n'})
        self.assertEqual(4, len(violations))

    def testShardrunAndShardviewSeeTheRuntimeOnly(self):
        violations = self.violationsOf({"tools/shardrun.cc": '#include "runtime/session/session.h"\n#include "passes/pipeline.h"\n',
                                        "tools/shardview.cc": '#include "llvm/Support/raw_ostream.h"\n'})
        self.assertEqual(2, len(violations))

    def testFoldersOfOneLayerNotBothWays(self):
        oneWay = {"compiler/analysis/cost.cc": '#include "compiler/target/machine.h"\n'}
        self.assertEqual([], self.violationsOf(oneWay))
        self.assertEqual(1, len(self.violationsOf({**oneWay, "compiler/target/machine.h": '#include "compiler/analysis/cost.h"\n'})))

    def testProtoImportsCount(self):
        self.assertEqual(1, len(self.violationsOf({"runtime/base/tensor.proto": 'syntax = "proto3";\nimport "runtime/plan/plan.proto";\n'})))

    def testTheHouseItselfIsClean(self):
        self.assertEqual([], check_layers.check(pathlib.Path(__file__).resolve().parents[2]))


if __name__ == "__main__":
    unittest.main()
