//! What `checkpoint` saves: bytes of the arena that the gradients of a recurrent net are planned to take.

use super::kernels::planned;

/// A layer of the library, what is carried, and one iteration.
const CELLS: [(&str, &str, &str); 5] = [
    ("SimpleRnn(32)", "", "h = rnn.cell(xt, h)"),
    ("Gru(32)", "", "h = rnn.cell(xt, h)"),
    ("Gru(32, reset_after: false)", "", "h = rnn.cell(xt, h)"),
    ("Lstm(32)", "var c = zeros([16, 32])", "let new = rnn.gates(xt, h, c)\n      c = new.c\n      h = new.h"),
    ("Gru(32)", "", "h = advance(xt[:, 0] > 0.0, rnn.cell(xt, h), h)"),
];

const GRADIENTS: &str = "let g = grad(sum(h * h), wrt: [rnn.input, rnn.recurrent, rnn.bias])
    (input: g[0], recurrent: g[1], bias: g[2])";

/// The arena for what follows from the last state of 16 rows.
fn arena((layer, carried, step): (&str, &str, &str), length: usize, checkpoint: &str, result: &str) -> usize {
    let body = format!(
        "var h = zeros([16, 32])
    {carried}
    scan xt in x along 0 {checkpoint} {{
      {step}
    }}
    {result}"
    );
    planned(&format!("rnn = {layer}"), &format!("x: f32[{length}, 16, 32]"), &body).arena_bytes
}

/// Of LSTM and GRU gates, products and adjoints of all steps are most of the memory, of a simple net only its states.
#[test]
fn checkpoints_save_memory() {
    for cell in CELLS {
        let [kept, segments, rest, steps] =
            ["", "checkpoint 16", "checkpoint 15", "checkpoint 1"].map(|how| arena(cell, 256, how, GRADIENTS));
        assert!(segments * 9 <= kept, "{}: {segments} bytes of {kept}", cell.0);
        // With a rest of one step x is there once more, as two parts.
        assert!(
            rest <= segments + 256 * 16 * 32 * 4 + 32 * 1024,
            "{}: {rest} bytes, {segments} without a rest",
            cell.0
        );
        assert!(steps * 2 <= kept, "{}: {steps} bytes of {kept}", cell.0);
    }
}

/// Four times as many steps in segments twice as long take at most twice the memory; without checkpoints nearly four times.
#[test]
fn memory_grows_like_the_root() {
    for cell in CELLS {
        let bytes =
            [(64, 8), (256, 16), (1024, 32)].map(|(t, k)| arena(cell, t, &format!("checkpoint {k}"), GRADIENTS));
        assert!(bytes.is_sorted_by(|fewer, more| *more <= 2 * fewer), "{}: {bytes:?}", cell.0);
        let kept = [64, 256].map(|length| arena(cell, length, "", GRADIENTS));
        assert!(kept[1] * 2 >= kept[0] * 7, "{}: {kept:?}", cell.0);
    }
}

/// The products of the inputs, too, are there for one segment at a time.
#[test]
fn checkpoints_save_memory_without_a_gradient() {
    for cell in CELLS {
        let [kept, segments] = ["", "checkpoint 16"].map(|how| arena(cell, 256, how, "h"));
        assert!(segments * 6 <= kept, "{}: {segments} bytes of {kept}", cell.0);
    }
}
