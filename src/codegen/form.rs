//! The forms of machine code.

use super::{errors, x86};
use crate::diag::Diagnostic;
use crate::lane::Target;

/// A form of machine code; all forms give the same bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// Cranelift's code for vectors of 128 bits, on every machine.
    Portable,
    /// Our own for x86-64 with AVX2 and FMA.
    Avx2,
    /// Our own for x86-64 with AVX-512 (F, DQ, BW and VL).
    Avx512,
}

impl Form {
    pub const ALL: [Form; 3] = [Form::Portable, Form::Avx2, Form::Avx512];

    /// The forms that this machine runs, the fastest first.
    pub fn here() -> Vec<Form> {
        let runs = |form: &Form| *form == Form::Portable || x86::host_targets().contains(&form.target());
        Form::ALL.into_iter().rev().filter(runs).collect()
    }

    /// What kernels are placed for.
    pub fn target(self) -> Target {
        match self {
            Form::Portable => Target::CLIF,
            Form::Avx2 => Target::AVX2,
            Form::Avx512 => Target::AVX512,
        }
    }

    /// The form to run: the one that is asked for, or the first.
    ///
    /// # Errors
    /// E0923 where it is not among `here`.
    pub fn choose(asked: Option<Form>, here: &[Form]) -> Result<Form, Diagnostic> {
        match asked {
            Some(form) if !here.contains(&form) => Err(errors::no_such_form(form, here)),
            Some(form) => Ok(form),
            None => Ok(here.first().copied().unwrap_or(Form::Portable)),
        }
    }

    /// Its name in options.
    pub fn name(self) -> &'static str {
        match self {
            Form::Portable => "portable",
            Form::Avx2 => "avx2",
            Form::Avx512 => "avx512",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Form;

    #[test]
    fn a_form_that_the_machine_lacks_is_refused() {
        let here = [Form::Avx2, Form::Portable];
        let choose = |asked| Form::choose(asked, &here).map_err(|d| d.code.to_string());
        assert_eq!(choose(None), Ok(Form::Avx2));
        assert_eq!(choose(Some(Form::Portable)), Ok(Form::Portable));
        assert_eq!(choose(Some(Form::Avx512)), Err("E0923".to_string()));
        assert_eq!(Form::here().last(), Some(&Form::Portable));
    }
}
