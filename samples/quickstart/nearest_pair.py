"""nearest_pair.py SENTENCES.txt WHOLE SHARDED: reads the output sentence_embedding of two output folders, prints the most similar
pair of sentences, and fails unless the sharded result equals the whole one within the tolerance."""

import itertools
import pathlib
import sys

import numpy
import onnx
from onnx import numpy_helper

RELATIVE_TOLERANCE, ABSOLUTE_TOLERANCE = 1e-3, 1e-4


def readOutput(folder, name):
    for path in sorted(pathlib.Path(folder).glob("output_*.pb")):
        tensor = onnx.TensorProto()
        tensor.ParseFromString(path.read_bytes())
        if tensor.name == name:
            return numpy_helper.to_array(tensor)
    raise SystemExit(f"{folder}: no output is named {name}")


def main(sentencesPath, wholeFolder, shardedFolder):
    sentences = pathlib.Path(sentencesPath).read_text(encoding="utf-8").splitlines()
    whole, sharded = (readOutput(folder, "sentence_embedding") for folder in (wholeFolder, shardedFolder))
    similarity = sharded @ sharded.T  # the embeddings have length 1
    pairs = sorted(itertools.combinations(range(len(sentences)), 2), key=lambda pair: -similarity[pair])
    print("Similarity of the sentences, from the two ranks' embeddings:")
    for first, second in pairs:
        print(f"  {similarity[first, second]:6.3f}  {sentences[first]}  |  {sentences[second]}")
    first, second = pairs[0]
    print(f'Nearest: "{sentences[first]}" and "{sentences[second]}"')
    equal = numpy.allclose(sharded, whole, RELATIVE_TOLERANCE, ABSOLUTE_TOLERANCE)
    print(f"Two ranks {'equal' if equal else 'DIFFER FROM'} one device: largest difference {abs(sharded - whole).max():.2e}")
    return 0 if equal else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
