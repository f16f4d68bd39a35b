//! Machine code as text, for `ir --stage asm`.

use iced_x86::{Decoder, DecoderOptions, Formatter, Instruction, IntelFormatter};

/// x86-64 code, one instruction per line with its offset in hexadecimal. Constants stand behind the code and read as
/// instructions.
pub fn x86(code: &[u8]) -> String {
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
