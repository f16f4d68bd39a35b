"""Compares `nnc tokenizer` with Python on whole files, line by line: ids with and without special tokens, and texts of ids.

    pip install tokenizers==0.23.3 transformers==5.24.0
    python tests/tokenizers/check.py target/debug/nnc ~/.cache/nnc/minilm-1/tokenizer.json ~/.cache/nnc/reuters-r8-1/*.tsv
"""

import subprocess
import sys

from transformers import PreTrainedTokenizerFast


def nnc(binary, action, tokenizer, text, *more):
    command = [binary, "tokenizer", action, "--tokenizer", tokenizer, *more]
    out = subprocess.run(command, input=text.encode(), capture_output=True, check=True).stdout.decode()
    return out.removesuffix("\n").split("\n")


def main():
    binary, path, *files = sys.argv[1:]
    python = PreTrainedTokenizerFast(tokenizer_file=path, clean_up_tokenization_spaces=False)
    for file in files:
        # Rust and Python disagree on what else ends a line.
        lines = open(file, encoding="utf-8", newline="\n").read().replace("\r", " ").removesuffix("\n").split("\n")
        text = "\n".join(lines) + "\n"
        for special, more in ((True, []), (False, ["--no-special"])):
            ids = [[int(n) for n in line.split()] for line in nnc(binary, "encode", path, text, *more)]
            expected = python(lines, add_special_tokens=special)["input_ids"]
            assert len(ids) == len(expected) == len(lines)
            wrong = [(i, a, b) for i, (a, b) in enumerate(zip(ids, expected)) if a != b]
            assert not wrong, f"{file}, line {wrong[0][0] + 1}: {wrong[0][1:]}"
        rows = "".join(" ".join(map(str, row)) + "\n" for row in expected)
        decoded = nnc(binary, "decode", path, rows)
        assert decoded == "\n".join(python.backend_tokenizer.decode_batch(expected)).split("\n"), file
        print(f"{file}: {len(lines)} lines, {sum(map(len, expected))} ids, all equal")


main()
