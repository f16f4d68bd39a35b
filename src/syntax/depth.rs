//! A scan of the raw text that bounds the recursion of the parser before it runs.
//!
//! The grammar recurses through brackets, and through `if` and `scan`, whose condition may begin with another
//! `if`. The scan counts both, outside of strings and comments; a bracket and the head before it are one level.

/// The deepest nesting of brackets that is parsed.
pub(super) const MAX_BRACKETS: usize = 256;

/// The byte offset at which the text nests more deeply than [`MAX_BRACKETS`].
pub(super) fn too_deep(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut scan = Scan::default();
    let mut at = 0;
    while at < bytes.len() {
        let length = token_length(bytes, at);
        scan.token(&bytes[at..at + length]);
        if scan.depth > MAX_BRACKETS {
            return Some(at);
        }
        at += length;
    }
    None
}

#[derive(Default)]
struct Scan {
    depth: usize,
    /// `if` and `scan` since the last bracket.
    heads: usize,
    /// For each open bracket its levels: the heads before it, or one.
    open: Vec<usize>,
}

impl Scan {
    fn token(&mut self, token: &[u8]) {
        match token {
            b"(" | b"[" | b"{" => {
                let heads = std::mem::take(&mut self.heads);
                self.open.push(heads.max(1));
                self.depth += heads.max(1) - heads;
            }
            b")" | b"]" | b"}" => {
                let levels = self.open.pop().unwrap_or(0);
                self.depth -= levels + std::mem::take(&mut self.heads);
            }
            b"if" | b"scan" => {
                self.heads += 1;
                self.depth += 1;
            }
            _ => {}
        }
    }
}

/// The length of the word, comment or string at `at`; one byte for anything else.
pub(super) fn token_length(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    let until = |stop: fn(u8) -> bool| rest.iter().position(|&b| stop(b)).unwrap_or(rest.len());
    match rest[0] {
        b'/' if rest.get(1) == Some(&b'/') => until(|b| b == b'\n'),
        b'"' => 1 + rest[1..].iter().position(|&b| b == b'"' || b == b'\n').map_or(rest.len() - 1, |i| i + 1),
        b if is_word(b) => until(|b| !is_word(b)),
        _ => 1,
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_brackets_and_heads_outside_of_strings_and_comments() {
        assert_eq!(too_deep(&"(".repeat(MAX_BRACKETS)), None);
        assert_eq!(too_deep(&"(".repeat(MAX_BRACKETS + 1)), Some(MAX_BRACKETS));
        assert_eq!(too_deep(&"(]".repeat(1000)), None);
        assert_eq!(too_deep(&"if ".repeat(MAX_BRACKETS + 1)), Some(3 * MAX_BRACKETS));
        assert_eq!(too_deep(&"if a { b } else ".repeat(1000)), None);
        assert_eq!(too_deep(&format!("// {0}\n\"{0}\"", "(".repeat(1000))), None);
    }
}
