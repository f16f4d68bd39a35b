//! Cranelift's settings and the machine it compiles for.

use crate::codegen::errors;
use crate::diag::Diagnostic;
use cranelift::codegen::isa::{self, OwnedTargetIsa};
use cranelift::codegen::settings::{self, Configurable, Flags};

/// What kernels of every machine are compiled with. `is_pic` is off since the JIT places code itself; functions start
/// on cache lines.
const SETTINGS: [(&str, &str); 6] = [
    ("opt_level", "speed"),
    ("is_pic", "false"),
    ("enable_verifier", if cfg!(debug_assertions) { "true" } else { "false" }),
    ("use_colocated_libcalls", "false"),
    ("enable_probestack", "false"),
    ("log2_min_function_alignment", "6"),
];

fn flags() -> Result<Flags, Diagnostic> {
    let mut builder = settings::builder();
    for (name, value) in SETTINGS {
        builder.set(name, value).map_err(|e| errors::internal("cranelift settings", &e.to_string()))?;
    }
    Ok(Flags::new(builder))
}

/// This machine, with all instruction sets that Cranelift finds.
pub fn host() -> Result<OwnedTargetIsa, Diagnostic> {
    let builder = cranelift::native::builder().map_err(errors::unsupported_machine)?;
    finish(builder)
}

/// Another machine by its target triple, with its base instruction set.
pub fn named(triple: &str) -> Result<OwnedTargetIsa, Diagnostic> {
    let builder = isa::lookup_by_name(triple).map_err(|e| errors::unsupported_machine(&e.to_string()))?;
    finish(builder)
}

fn finish(builder: isa::Builder) -> Result<OwnedTargetIsa, Diagnostic> {
    let isa = builder.finish(flags()?).map_err(|e| errors::unsupported_machine(&e.to_string()))?;
    if has_fma(&isa) { Ok(isa) } else { Err(errors::no_fma()) }
}

/// Without the instruction, Cranelift calls a library for every lane: hundreds of times slower, so it is refused.
fn has_fma(isa: &OwnedTargetIsa) -> bool {
    match isa.name() {
        "x64" => isa.isa_flags().iter().any(|f| f.name == "has_fma" && f.as_bool() == Some(true)),
        name => name == "aarch64",
    }
}
