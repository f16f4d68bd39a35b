#!/usr/bin/env python3
"""Makes tests/weights/minilm.json: what transformers compute with all-MiniLM-L6-v2, in float64.

Usage: pip install torch==2.15.0 transformers==5.24.0 numpy; python tests/weights/minilm.py ~/.cache/nnc/minilm-1

For each of 20 sentences its token ids and its embedding: the mean of the last hidden states, of length 1.
"""
import json, pathlib, sys
import torch
import transformers

SENTENCES = [
    "A man is eating food.", "A man is eating a piece of bread.", "The girl is carrying a baby.", "A man is riding a horse.",
    "A woman is playing violin.", "Two men pushed carts through the woods.", "A monkey is playing drums.",
    "A cheetah chases prey across a field.", "Grain exports rose by 4.5 pct in the first quarter.", "x", "",
    "The quick brown fox jumps over the lazy dog.", "Überraschung! Ça va? Το τέλος.", "1 2 3 7 15 17 31 33 63 65 129",
    "e = mc^2, they say; but who are \"they\"?", "To be, or not to be: that is the question.",
    "antidisestablishmentarianism", "In the beginning God created the heaven and the earth.",
    "A sentence that is a good deal longer than the others, so that the padding of a batch is not the same for each of "
    "its rows, and the mean over the tokens has to leave out what is only padding.", "Yes.",
]
folder = pathlib.Path(sys.argv[1])
tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
model = transformers.BertModel.from_pretrained(folder).double().eval()
rows = []
for text in SENTENCES:
    encoded = tokenizer(text, return_tensors="pt")
    with torch.no_grad():
        mean = model(**encoded).last_hidden_state[0].mean(0)
    unit = mean / mean.norm()
    rows.append({"text": text, "ids": encoded["input_ids"][0].tolist(), "embedding": [round(x, 6) for x in unit.tolist()]})
out = pathlib.Path(__file__).resolve().parent / "minilm.json"
out.write_text("[\n" + ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n]\n")
print(out.stat().st_size // 1024, "KiB")
