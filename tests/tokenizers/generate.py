"""Writes fixtures/: tokenizer files, and the ids that Hugging Face's tokenizers give with them.

    pip install tokenizers==0.23.3 transformers==5.24.0
    cargo build && python tests/tokenizers/generate.py target/debug/nnc

bpe.json and unigram.json are trained in Python. wordpiece.json is MiniLM's tokenizer (sentence-transformers/all-MiniLM-L6-v2,
~/.cache/nnc/minilm-1) with the pieces that the texts below need. nnc_KIND.json are trained by nnc: Python reads them.
"""

import json
import pathlib
import subprocess
import sys

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

HERE = pathlib.Path(__file__).parent
OUT = HERE / "fixtures"
CORPUS = HERE / "corpus.txt"
MINILM = pathlib.Path.home() / ".cache/nnc/minilm-1/tokenizer.json"

TEXTS = [
    "",
    " ",
    "\n",
    "\r\n",
    "a",
    "The quick brown fox.",
    "  two  blanks  before, between and behind  ",
    "one line\nanother line\n\n\nand a third\r\nwith a carriage return\ttab",
    "I'm sure he'd say it doesn't, they've and we'll.",
    "naïve café Zoë cœur Straße ÜBER ÀÉÎ",
    "cafe\u0301 e\u0301\u0302 A\u030a ﬁ ｆｕｌｌ ①½",
    "Съешь ещё, Ξεσκεπάζω, 東京は日本, 我能吞下, 안녕하세요, שלום, مرحبا",
    "🙂👍🏽👩‍👩‍👧🇪🇸 ☃",
    "\u00a0no-break\u200bzero\u2009thin\u3000wide",
    "unknown: 𓀀 𝔘 \u0000 \x07 \ufffd",
    "3.14159 1,000,000 10% $5 x=y+z; a_b/c\\d",
    "</s> and <pad> and [SEP] [MASK] are written out </s>",
    "Xylophonmusikquältjedengrößerenpneumonoultramicroscopicsilicovolcanoconiosis",
    "the the the the the word word",
]


def bpe():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    special = ["<pad>", "</s>"]
    trainer = trainers.BpeTrainer(vocab_size=500, special_tokens=special, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train([str(CORPUS)], trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A $B </s>", special_tokens=[("</s>", tokenizer.token_to_id("</s>"))]
    )
    # Added behind the vocabulary, and a file that asks for padding and truncation: nnc does both by itself.
    tokenizer.add_tokens([AddedToken("[SEP]")])
    tokenizer.enable_padding(pad_id=0, pad_token="<pad>", length=64)
    tokenizer.enable_truncation(8)
    return tokenizer


def unigram():
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    special = ["<pad>", "</s>", "<unk>"]
    trainer = trainers.UnigramTrainer(vocab_size=420, special_tokens=special, unk_token="<unk>", show_progress=False)
    tokenizer.train([str(CORPUS)], trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", tokenizer.token_to_id("</s>"))]
    )
    return tokenizer


def wordpiece():
    whole = Tokenizer.from_file(str(MINILM))
    whole.no_padding()
    whole.no_truncation()
    used = {token for text in TEXTS for token in whole.encode(text).tokens}
    file = json.loads(MINILM.read_text())
    kept = [t for t in file["model"]["vocab"] if t in used or t in ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")]
    ids = {token: at for at, token in enumerate(kept)}
    file["model"]["vocab"] = ids
    for token in file["added_tokens"]:
        token["id"] = ids[token["content"]]
    for token in file["post_processor"].get("special_tokens", {}).values():
        token["ids"] = [ids[t] for t in token["tokens"]]
    for key in ("sep", "cls"):
        if key in file["post_processor"]:
            file["post_processor"][key][1] = ids[file["post_processor"][key][0]]
    return Tokenizer.from_str(json.dumps(file))


def trained_by_nnc(nnc):
    recipes = {
        "bpe": ["--vocab", "500", "--end", "</s>"],
        "wordpiece": ["--vocab", "700", "--begin", "[CLS]", "--end", "[SEP]", "--lowercase"],
        "unigram": ["--vocab", "420", "--end", "</s>"],
        "word": ["--vocab", "100"],
    }
    for kind, options in recipes.items():
        out = OUT / f"nnc_{kind}.json"
        subprocess.run([nnc, "tokenizer", "train", CORPUS, "--kind", kind, "--out", out, *options], check=True)


def cases(path):
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    for text in TEXTS:
        ids = tokenizer.encode(text).ids
        yield {
            "text": text,
            "ids": ids,
            "plain": tokenizer.encode(text, add_special_tokens=False).ids,
            "decoded": tokenizer.decode(ids),
            "decoded_special": tokenizer.decode(ids, skip_special_tokens=False),
        }


def main():
    OUT.mkdir(exist_ok=True)
    for name, make in (("bpe", bpe), ("unigram", unigram), ("wordpiece", wordpiece)):
        make().save(str(OUT / f"{name}.json"), pretty=False)
    trained_by_nnc(sys.argv[1])
    for path in sorted(OUT.glob("*.json")):
        if path.name == "ids.json":
            continue
        vocab = Tokenizer.from_file(str(path)).get_vocab(with_added_tokens=True)
        found = {"vocab": max(vocab.values()) + 1, "cases": list(cases(path))}
        (OUT / f"{path.stem}.ids").write_text(json.dumps(found, ensure_ascii=False, indent=0) + "\n")


main()
