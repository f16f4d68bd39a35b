//! Which brace was left open, judged by the indentation.

use crate::syntax::depth::token_length;

/// The first `{` before `end` whose `}` begins a line that is indented less than the line of the `{`:
/// that `}` was meant for another one.
pub(super) fn outdented_brace(text: &str, end: usize) -> Option<usize> {
    let mut open = vec![];
    let mut at = 0;
    while at < end {
        match text.as_bytes()[at] {
            b'{' => open.push(at),
            b'}' => {
                let opener = open.pop()?;
                if begins_line(text, at) && indent(text, at) < indent(text, opener) {
                    return Some(opener);
                }
            }
            _ => {}
        }
        at += token_length(text.as_bytes(), at);
    }
    None
}

fn line_before(text: &str, at: usize) -> &str {
    &text[text[..at].rfind('\n').map_or(0, |i| i + 1)..at]
}

fn begins_line(text: &str, at: usize) -> bool {
    line_before(text, at).trim().is_empty()
}

fn indent(text: &str, at: usize) -> usize {
    let line = line_before(text, at);
    line.len() - line.trim_start().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_brace_is_the_one_that_an_outdented_one_closes() {
        let text = "a {\n  b {\n    c {\n      x\n  }\n}\n";
        assert_eq!(outdented_brace(text, text.len()), text.find("{\n      x"));
        assert_eq!(outdented_brace("a {\n  b { x }\n}\n", 16), None);
        assert_eq!(outdented_brace("}", 1), None);
    }
}
