//! The diagnostics of code generation, one constructor each.

use super::Form;
use crate::diag::{Code, Diagnostic};

/// The processor has no fused multiply-add.
pub fn no_fma() -> Diagnostic {
    Diagnostic::error(Code(920), "this processor has no fused multiply-add instruction")
        .help("nnc needs x86-64 with AVX and FMA (since 2013: Haswell, Zen), or 64-bit ARM")
}

/// Cranelift does not know the machine.
pub fn unsupported_machine(reason: &str) -> Diagnostic {
    Diagnostic::error(Code(921), format!("nnc cannot generate code for this machine: {reason}"))
        .help("supported are x86-64 with AVX and FMA, and 64-bit ARM")
}

/// A stage handed on what the next one refuses: a bug of nnc.
pub fn internal(place: &str, reason: &str) -> Diagnostic {
    Diagnostic::error(Code(922), format!("internal error in code generation: {place}: {reason}"))
        .help("this is a bug in nnc; please report it with the program that causes it")
}

/// The machine cannot run the form of code that was asked for.
pub fn no_such_form(form: Form, here: &[Form]) -> Diagnostic {
    let names: Vec<&str> = here.iter().map(|f| f.name()).collect();
    Diagnostic::error(Code(923), format!("this machine cannot run {} code", form.name()))
        .help(format!("it runs: {}; the first is the default", names.join(", ")))
}
