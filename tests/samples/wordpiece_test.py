"""The quickstart's tokenizer gives the tokens that come with the MiniLM test data."""

import os
import pathlib
import sys
import unittest

import onnx
from onnx import numpy_helper

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "samples" / "quickstart"))
import wordpiece

CACHE = pathlib.Path(os.environ.get("SHARDWRIGHT_CACHE", pathlib.Path.home() / ".cache" / "shardwright"))


class Wordpiece(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.vocabulary = wordpiece.readVocabulary(CACHE / "minilm-0.1.0" / "vocab.txt")

    def testTokensAreThoseOfTheTestData(self):
        expected, sentences = [], []
        for line in (ROOT / "tests/models/minilm/sentences.txt").read_text().splitlines():
            if line.startswith("#"):
                data = (ROOT / "tests/models/minilm" / line[2:] / "input_0.pb").read_bytes()
                expected += list(numpy_helper.to_array(onnx.TensorProto.FromString(data)))
            else:
                sentences.append(line)
        self.assertEqual(7, len(sentences))
        self.assertEqual(len(sentences), len(expected))
        for sentence, row in zip(sentences, expected):
            self.assertEqual(row[row != 0].tolist(), wordpiece.tokenize(sentence, self.vocabulary))

    def testAccentsAndUnknownWords(self):
        self.assertEqual(["cafe", "(", "x", ")"], wordpiece.splitWords("Café (x)"))
        self.assertEqual(["[UNK]"], wordpiece.splitPieces("\u4e00\ue000", self.vocabulary))
        self.assertEqual(["em", "##bed", "##ding"], wordpiece.splitPieces("embedding", self.vocabulary))


if __name__ == "__main__":
    unittest.main()
