#!/usr/bin/env python3
"""Exports the smallest models of this folder, with their test data, into folders named after them beside this file.

    export.py [MODEL]...        # needs torch, transformers, onnx, onnxscript and onnxruntime; all models if none is named

Weights are random, with biases and gains that are neither 0 nor 1; expected outputs are ONNX Runtime's, checked against torch. What the
exporter says of its own code is left out of the graphs: it is most of their bytes.
"""

import pathlib
import shutil
import sys

import numpy as np
import onnx
import onnxruntime
import torch
import transformers
from onnx import numpy_helper

FOLDER = pathlib.Path(__file__).resolve().parent
VOCABULARY, LAYERS, HEADS, WIDTH, INNER = 90, 2, 4, 32, 40
TOKENS = dict(pad_token_id=0, bos_token_id=1, eos_token_id=2)
SIZES = dict(vocab_size=VOCABULARY, hidden_size=WIDTH, num_hidden_layers=LAYERS, num_attention_heads=HEADS)


class Decoder(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask):
        return self.model(input_ids=input_ids, attention_mask=attention_mask, use_cache=False).logits


class EncoderDecoder(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask, decoder_input_ids):
        return self.model(input_ids=input_ids, attention_mask=attention_mask, decoder_input_ids=decoder_input_ids,
                          use_cache=False).logits


def falcon():
    """One key and value head, attention beside the feed-forward network; heads are cut from one product by lookups."""
    config = transformers.FalconConfig(**SIZES, **TOKENS, ffn_hidden_size=INNER * 3)
    return Decoder(transformers.FalconForCausalLM(config)), True


def phi3():
    """Queries, keys and values of other sizes in one product, gate and up in another, cut by slices; by the older exporter."""
    config = transformers.Phi3Config(**SIZES, **TOKENS, intermediate_size=INNER, num_key_value_heads=2,
                                     max_position_embeddings=64, attn_implementation="sdpa")
    return Decoder(transformers.Phi3ForCausalLM(config)), False


def t5():
    """Encoder and decoder, cross attention, bias by relative position in logarithmic buckets."""
    config = transformers.T5Config(vocab_size=VOCABULARY, d_model=WIDTH, d_kv=WIDTH // HEADS, d_ff=INNER, num_layers=LAYERS,
                                   num_heads=HEADS, feed_forward_proj="gated-gelu", decoder_start_token_id=0)
    return EncoderDecoder(transformers.T5ForConditionalGeneration(config)), True


MODELS = {"falcon": falcon, "phi3": phi3, "t5": t5}


def fill(model):
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            drawn = torch.randn(parameter.shape, generator=generator)
            if parameter.dim() > 1:
                parameter.copy_(drawn * (0.5 if "emb" in name or "shared" in name else 0.7 / parameter.shape[1] ** 0.5))
            else:
                parameter.copy_(drawn * 0.1 + (1 if name.endswith("weight") else 0))
    return model.eval()


def inputsOf(module, which):
    """Set 0: batch 2, length 16; set 1: batch 3, length 11, padding on the right."""
    generator = torch.Generator().manual_seed(5 + which)
    batch, length = ((2, 16), (3, 11))[which]
    inputs = {"input_ids": torch.randint(3, VOCABULARY, (batch, length), generator=generator),
              "attention_mask": torch.ones(batch, length, dtype=torch.int64)}
    inputs["attention_mask"][-1, length - 3 * which:] = 0
    if isinstance(module, EncoderDecoder):
        inputs["decoder_input_ids"] = torch.randint(3, VOCABULARY, (batch, 8 - 3 * which), generator=generator)
    return inputs


def export(module, isDynamo, path):
    inputs = inputsOf(module, 0)
    axes = {name: {0: "batch", 1: "decoder_sequence" if "decoder" in name else "sequence"} for name in inputs}
    how = dict(dynamo=True, opset_version=20, dynamic_shapes=tuple(axes.values()), external_data=False, verbose=False) if isDynamo \
        else dict(dynamo=False, opset_version=17, dynamic_axes=axes)
    torch.onnx.export(module, tuple(inputs.values()), path, input_names=list(inputs), output_names=["logits"], **how)
    model = onnx.load(path)
    for part in (model, model.graph, *model.graph.node, *model.graph.value_info, *model.graph.input, *model.graph.output):
        part.doc_string = ""
        del part.metadata_props[:]
    onnx.save(model, path)


def write(folder, kind, names, arrays):
    for i, (name, array) in enumerate(zip(names, arrays)):
        (folder / f"{kind}_{i}.pb").write_bytes(numpy_helper.from_array(array, name).SerializeToString())


def main(names):
    for name in names or MODELS:
        module, isDynamo = MODELS[name]()
        module = fill(module).eval()
        folder = FOLDER / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        with torch.no_grad():
            export(module, isDynamo, folder / "model.onnx")
            module.eval()
            session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
            for which in (0, 1):
                inputs = {key: value for key, value in inputsOf(module, which).items()}
                (logits,) = session.run(None, {key: value.numpy() for key, value in inputs.items()})
                error = np.abs(module(**inputs).numpy() - logits).max()
                assert error < 1e-5 * np.abs(logits).max() + 1e-6, f"{name}: ONNX Runtime differs from torch by {error}"
                data = folder / f"test_data_set_{which}"
                data.mkdir()
                write(data, "input", inputs, [value.numpy() for value in inputs.values()])
                write(data, "output", ["logits"], [logits])
        print(f"{name}: {len(onnx.load(folder / 'model.onnx').graph.node)} nodes, {(folder / 'model.onnx').stat().st_size >> 10} KiB")


if __name__ == "__main__":
    main(sys.argv[1:])
