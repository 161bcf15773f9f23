"""tokenize_sentences.py VOCAB.txt SENTENCES.txt DIR: writes the model's three inputs as DIR/NAME.npy, int64 [batch, sequence],
padded on the right."""

import pathlib
import sys

import numpy

from wordpiece import readVocabulary, tokenize


def main(vocabularyPath, sentencesPath, folder):
    vocabulary = readVocabulary(vocabularyPath)
    sentences = pathlib.Path(sentencesPath).read_text(encoding="utf-8").splitlines()
    rows = [tokenize(sentence, vocabulary) for sentence in sentences]
    shape = (len(rows), max(map(len, rows)))
    ids, mask = numpy.full(shape, vocabulary["[PAD]"], numpy.int64), numpy.zeros(shape, numpy.int64)
    for number, row in enumerate(rows):
        ids[number, :len(row)] = row
        mask[number, :len(row)] = 1
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in {"input_ids": ids, "attention_mask": mask, "token_type_ids": numpy.zeros(shape, numpy.int64)}.items():
        numpy.save(folder / f"{name}.npy", value)
    print(f"{shape[0]} sentences, {shape[1]} tokens each, of which {int(mask.sum())} are not padding")


if __name__ == "__main__":
    main(*sys.argv[1:])
