"""BERT's uncased WordPiece tokenizer: text to the numbers of a vocabulary file with one token per line."""

import unicodedata

LONGEST_WORD = 100


def readVocabulary(path):
    with open(path, encoding="utf-8") as file:
        return {line.rstrip("\n"): number for number, line in enumerate(file)}


def splitWords(text):
    """Lower-cased words without accents; each punctuation mark is a word."""
    words = [""]
    for character in unicodedata.normalize("NFD", text.lower()):
        category = unicodedata.category(character)
        if character.isspace():
            words.append("")
        elif category.startswith("P") or (character.isascii() and not character.isalnum() and character.isprintable()):
            words += [character, ""]
        elif category not in ("Mn", "Cc", "Cf"):
            words[-1] += character
    return [word for word in words if word]


def splitPieces(word, vocabulary):
    """The longest known prefix, then the longest known continuation ("##…") of the rest, and so on; [UNK] when stuck."""
    pieces, start = [], 0
    while start < len(word) <= LONGEST_WORD:
        prefix = "##" if start else ""
        end = next((end for end in range(len(word), start, -1) if prefix + word[start:end] in vocabulary), None)
        if end is None:
            return ["[UNK]"]
        pieces.append(prefix + word[start:end])
        start = end
    return pieces or ["[UNK]"]


def tokenize(text, vocabulary):
    """Numbers of [CLS], the text's pieces, [SEP]."""
    pieces = [piece for word in splitWords(text) for piece in splitPieces(word, vocabulary)]
    return [vocabulary[piece] for piece in ["[CLS]", *pieces, "[SEP]"]]
