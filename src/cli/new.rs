//! `nnc new`: a folder with a program that trains at once.

use super::output::{Failure, say};
use clap::Args;
use std::path::PathBuf;

/// Start a project: a program and its data, ready to train
#[derive(Args)]
pub struct Options {
    /// The folder to make
    path: PathBuf,
}

const FILES: [(&str, &[u8]); 3] = [
    ("main.nn", include_bytes!("../../examples/digits.nn")),
    ("data/digits/images-idx3-ubyte.gz", include_bytes!("../../examples/data/digits/images-idx3-ubyte.gz")),
    ("data/digits/labels-idx1-ubyte.gz", include_bytes!("../../examples/data/digits/labels-idx1-ubyte.gz")),
];

pub fn run(options: &Options) -> Result<(), Failure> {
    let root = &options.path;
    if root.exists() {
        return Err(Failure::Usage(format!("`{}` exists already", root.display())));
    }
    let write = |name: &str, bytes: &[u8]| {
        let path = root.join(name);
        std::fs::create_dir_all(path.parent().unwrap_or(root))?;
        std::fs::write(path, bytes)
    };
    for (name, bytes) in FILES {
        write(name, bytes).map_err(|e| Failure::Usage(format!("cannot write `{name}`: {e}")))?;
    }
    say(format_args!("made {0}: run `nnc train {0}/main.nn`", root.display()));
    Ok(())
}
