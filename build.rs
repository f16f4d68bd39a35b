//! Embeds `std/*.nn`: the table that `src/driver/stdlib.rs` includes. Deleting a file removes the feature.

use std::path::Path;
use std::{env, fs};

fn main() {
    println!("cargo:rerun-if-changed=std");
    let root = env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let mut names: Vec<String> = fs::read_dir(Path::new(&root).join("std"))
        .map(|dir| dir.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect())
        .unwrap_or_default();
    names.retain(|n| n.ends_with(".nn"));
    names.sort();
    let entry = |n: &String| format!("    (\"std/{n}\", include_str!({:?})),\n", format!("{root}/std/{n}"));
    let table = format!("&[\n{}]", names.iter().map(entry).collect::<String>());
    let out = Path::new(&env::var("OUT_DIR").expect("cargo sets it")).join("stdlib.rs");
    fs::write(out, table).expect("OUT_DIR is writable");
}
