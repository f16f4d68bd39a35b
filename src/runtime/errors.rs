//! The diagnostics of the runtime, one constructor each.

use crate::diag::{Code, Diagnostic, Label};

/// Places that one error shows.
const MOST_PLACES: usize = 3;

/// The system has no memory of this size.
pub fn out_of_memory(bytes: usize) -> Diagnostic {
    Diagnostic::error(Code(930), format!("cannot allocate {} MiB", bytes.div_ceil(1 << 20)))
        .help("use a smaller batch or a smaller model")
}

/// A kernel met an index outside its table, in one of these places.
pub fn index_out_of_range(kernel: &str, lookups: &[Label]) -> Diagnostic {
    let error = Diagnostic::error(Code(931), format!("an index in the data is out of range (in `{kernel}`)"));
    let places = lookups.iter().take(MOST_PLACES);
    places
        .fold(error, |error, place| error.label(place.span, place.text.clone()))
        .help("check that classes, tokens and positions lie below the sizes declared in the program")
}

/// The program has no input of this name, or it is of another kind.
pub fn no_input(name: &str) -> Diagnostic {
    Diagnostic::error(Code(932), format!("the program has no input `{name}` that can be set so"))
}

/// An input has not been given.
pub fn unbound(name: &str) -> Diagnostic {
    Diagnostic::error(Code(933), format!("the input `{name}` has no data"))
}

/// Data of another size than the program expects.
pub fn wrong_size(name: &str, expected: usize, found: usize) -> Diagnostic {
    Diagnostic::error(Code(934), format!("`{name}` has {found} bytes, the program expects {expected}"))
}

/// Two programs that share a state disagree on its type or layout.
pub fn state_differs(name: &str, first: &str, second: &str) -> Diagnostic {
    Diagnostic::error(Code(935), format!("`{name}` is {first} in one program and {second} in another"))
}
