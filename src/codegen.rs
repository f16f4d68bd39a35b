//! Emitters of machine code.
