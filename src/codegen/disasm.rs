//! Machine code as text, for `ir --stage asm`.

use iced_x86::{Decoder, DecoderOptions, Formatter, Instruction, IntelFormatter};

/// One instruction per line with its offset in hexadecimal; bytes on machines other than x86-64. Constants stand behind
/// the code and read as instructions.
pub fn text(code: &[u8]) -> String {
    if cfg!(target_arch = "x86_64") { x86(code) } else { bytes(code) }
}

fn x86(code: &[u8]) -> String {
    let mut decoder = Decoder::new(64, code, DecoderOptions::NONE);
    let mut formatter = IntelFormatter::new();
    let (mut out, mut line, mut instruction) = (String::new(), String::new(), Instruction::default());
    while decoder.can_decode() {
        decoder.decode_out(&mut instruction);
        line.clear();
        formatter.format(&instruction, &mut line);
        out += &format!("  {:6x}  {line}\n", instruction.ip());
    }
    out
}

fn bytes(code: &[u8]) -> String {
    let row = |(i, row): (usize, &[u8])| {
        let words: Vec<_> =
            row.chunks(4).map(|w| w.iter().rev().map(|b| format!("{b:02x}")).collect::<String>()).collect();
        format!("  {:6x}  {}\n", 16 * i, words.join(" "))
    };
    code.chunks(16).enumerate().map(row).collect()
}
