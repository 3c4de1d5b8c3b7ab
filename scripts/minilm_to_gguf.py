#!/usr/bin/env python3
"""Writes the bf16 GGUF of all-MiniLM-L6-v2 that libllama loads, from the safetensors of its package.

    minilm_to_gguf.py MODEL_DIRECTORY OUTPUT

Architecture `bert`: token, type and position embeddings, 6 post-norm layers, mean pooling, WordPiece. Matrices become
bf16 (half the size; cosine to the fp32 vectors stays above 0.9999), norms and biases stay fp32. libllama marks the
first piece of a word with U+2581 where WordPiece marks the others with "##", so the vocabulary is rewritten.
"""
import json
import struct
import sys
from pathlib import Path

import gguf
import numpy as np

LAYER = {
    "attention.self.query": "attn_q",
    "attention.self.key": "attn_k",
    "attention.self.value": "attn_v",
    "attention.output.dense": "attn_output",
    "attention.output.LayerNorm": "attn_output_norm",
    "intermediate.dense": "ffn_up",
    "output.dense": "ffn_down",
    "output.LayerNorm": "layer_output_norm",
}
TOP = {
    "embeddings.word_embeddings.weight": "token_embd.weight",
    "embeddings.token_type_embeddings.weight": "token_types.weight",
    "embeddings.position_embeddings.weight": "position_embd.weight",
    "embeddings.LayerNorm.weight": "token_embd_norm.weight",
    "embeddings.LayerNorm.bias": "token_embd_norm.bias",
}


def tensors(path):
    """Yields (name, fp32 array): a safetensors file is a length, a JSON header and the raw arrays."""
    raw = path.read_bytes()
    (size,) = struct.unpack_from("<Q", raw)
    for name, entry in json.loads(raw[8 : 8 + size]).items():
        if name == "__metadata__" or entry["dtype"] == "I64":  # position ids are no weights
            continue
        assert entry["dtype"] == "F32", f"{name} is {entry['dtype']}, not F32"
        begin, end = (8 + size + o for o in entry["data_offsets"])
        yield name, np.frombuffer(raw[begin:end], dtype="<f4").reshape(entry["shape"])


def new_name(name):
    """The name that libllama looks for; None for the pooler, which sentence embeddings do not use."""
    if name in TOP:
        return TOP[name]
    if name.startswith("pooler."):
        return None
    _, _, layer, rest = name.split(".", 3)  # encoder.layer.N.REST.weight
    part, kind = rest.rsplit(".", 1)
    return f"blk.{layer}.{LAYER[part]}.{kind}"


def add_vocabulary(out, directory):
    pieces = (directory / "vocab.txt").read_text(encoding="utf-8").split("\n")[:-1]
    special = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}
    marked = [p if p in special else p[2:] if p.startswith("##") else "\u2581" + p for p in pieces]
    types = [gguf.TokenType.UNKNOWN if p == "[UNK]" else gguf.TokenType.CONTROL if p in special else gguf.TokenType.NORMAL
             for p in pieces]
    out.add_tokenizer_model("bert")
    out.add_tokenizer_pre("default")
    out.add_token_list(marked)
    out.add_token_types(types)
    out.add_token_type_count(2)
    out.add_bos_token_id(pieces.index("[CLS]"))
    out.add_eos_token_id(pieces.index("[SEP]"))
    out.add_sep_token_id(pieces.index("[SEP]"))
    out.add_unk_token_id(pieces.index("[UNK]"))
    out.add_pad_token_id(pieces.index("[PAD]"))
    out.add_mask_token_id(pieces.index("[MASK]"))


def main(directory, target):
    config = json.loads((directory / "config.json").read_text())
    out = gguf.GGUFWriter(target, "bert")
    out.add_name("all-MiniLM-L6-v2")
    out.add_license("apache-2.0")
    out.add_context_length(config["max_position_embeddings"])
    out.add_embedding_length(config["hidden_size"])
    out.add_feed_forward_length(config["intermediate_size"])
    out.add_block_count(config["num_hidden_layers"])
    out.add_head_count(config["num_attention_heads"])
    out.add_layer_norm_eps(config["layer_norm_eps"])
    out.add_causal_attention(False)
    out.add_pooling_type(gguf.PoolingType.MEAN)
    out.add_file_type(gguf.LlamaFileType.MOSTLY_BF16)
    add_vocabulary(out, directory)
    for name, array in tensors(directory / "model.safetensors"):
        target_name = new_name(name)
        if target_name is None:
            continue
        # The two small embedding tables are added element by element, which libllama does in fp32 only.
        if array.ndim == 2 and not target_name.startswith(("token_types", "position_embd")):
            packed = gguf.quants.quantize(array, gguf.GGMLQuantizationType.BF16)
            out.add_tensor(target_name, packed, raw_dtype=gguf.GGMLQuantizationType.BF16)
        else:
            out.add_tensor(target_name, np.ascontiguousarray(array))
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), sys.argv[2])
