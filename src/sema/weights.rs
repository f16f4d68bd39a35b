//! Names of weights in other systems: the lines of a `load`, which turn foreign names to paths of the program, and back.

use crate::source::Span;

/// `load "t5.safetensors" into net { … }`
#[derive(Clone, Debug, PartialEq)]
pub struct Load {
    /// A safetensors file, the index of its shards, or a folder with either; relative to the program.
    pub path: String,
    /// The path of the instance that is filled; empty for the only root.
    pub target: String,
    /// As it is written: `net.bert`.
    pub target_text: String,
    pub lines: Vec<Line>,
    pub span: Span,
}

impl Load {
    /// The path below the target; `None` for a parameter of another part.
    pub fn local<'a>(&self, path: &'a str) -> Option<&'a str> {
        match &*self.target {
            "" => Some(path),
            target => path.strip_prefix(target)?.strip_prefix('.'),
        }
    }

    /// The first line with a pattern on one side that fits the name: its number, the pattern's place in it, and what the
    /// holes stand for.
    pub fn fit(&self, name: &str, side: impl Fn(&Line) -> &[Pattern]) -> Option<(usize, usize, Captures)> {
        self.lines.iter().enumerate().find_map(|(number, line)| {
            let mut patterns = side(line).iter().enumerate();
            patterns.find_map(|(place, pattern)| Some((number, place, pattern.captures(name)?)))
        })
    }

    /// The path of a parameter of the target.
    pub fn full(&self, local: &str) -> String {
        if self.target.is_empty() { local.into() } else { format!("{}.{local}", self.target) }
    }
}

/// `"foreign.{i}" -> "own.{i}" transposed`: the first line that fits a name counts.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Of the file; several are joined, none (`skip`) leave what stands in the program as it is.
    pub foreign: Vec<Pattern>,
    /// Of the program; into several a tensor is split, none (`skip`) leave a tensor of the file out.
    pub own: Vec<Pattern>,
    pub turn: Turn,
    /// The axis, of the file's tensors, along which they are joined or split.
    pub along: usize,
    /// Lengths of the file's tensors along that axis; without it they are equal.
    pub parts: Option<Vec<usize>>,
    pub span: Span,
}

impl Line {
    /// Every name is the same on both sides.
    pub fn identity(span: Span) -> Line {
        let all = Pattern { text: "{name}".into(), parts: vec![Part::Hole { name: "name".into(), rest: true }] };
        Line { foreign: vec![all.clone()], own: vec![all], turn: Turn::Same, along: 0, parts: None, span }
    }
}

/// How the axes of a tensor of the file become those of the program. Tensors of rank 1 or less stay as they are.
#[derive(Clone, Debug, PartialEq, Default)]
pub enum Turn {
    #[default]
    Same,
    /// The last two are swapped.
    Swapped,
    /// Axis i of the program is axis `order[i]` of the file.
    Order(Vec<usize>),
}

impl Turn {
    /// The order for tensors of this rank; `None` where it does not fit.
    pub fn order(&self, rank: usize) -> Option<Vec<usize>> {
        let mut order: Vec<usize> = (0..rank).collect();
        match self {
            _ if rank < 2 => {}
            Turn::Same => {}
            Turn::Swapped => order.swap(rank - 2, rank - 1),
            Turn::Order(given) if given.len() == rank => order.clone_from(given),
            Turn::Order(_) => return None,
        }
        Some(order)
    }

    /// From the axes of the program to those of the file.
    pub fn inverse(&self, rank: usize) -> Option<Vec<usize>> {
        let order = self.order(rank)?;
        let mut inverse = vec![0; rank];
        order.iter().enumerate().for_each(|(own, &foreign)| inverse[foreign] = own);
        Some(inverse)
    }
}

/// A name with holes: `encoder.block.{i}.layer.0.{p}.weight`.
#[derive(Clone, Debug, PartialEq)]
pub struct Pattern {
    pub text: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Text(String),
    /// Stands for text without dots, or, at the end of all patterns of its line, for all that follows.
    Hole {
        name: String,
        rest: bool,
    },
}

/// What a name has in the holes of a pattern.
pub type Captures = Vec<(String, String)>;

/// Why a text is no pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A `{` without `}`, or a `}` without `{`.
    Brace,
    /// `{}`, or something in braces that is no name.
    Name,
    /// The same hole twice.
    Twice,
    /// Two holes with nothing between.
    Adjacent,
}

impl Pattern {
    pub fn parse(text: &str) -> Result<Pattern, Fault> {
        let mut parts = vec![];
        let mut left = text;
        while !left.is_empty() {
            let (plain, after) = left.split_at(left.find(['{', '}']).unwrap_or(left.len()));
            if !plain.is_empty() {
                parts.push(Part::Text(plain.into()));
            }
            left = after;
            if !after.is_empty() {
                let (name, after) = after.strip_prefix('{').and_then(|a| a.split_once('}')).ok_or(Fault::Brace)?;
                push_hole(&mut parts, name)?;
                left = after;
            }
        }
        Ok(Pattern { text: text.into(), parts })
    }

    pub fn holes(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Hole { name, .. } => Some(name.as_str()),
            Part::Text(_) => None,
        })
    }

    /// The hole with which the pattern ends.
    pub fn last_hole(&self) -> Option<&str> {
        match self.parts.last()? {
            Part::Hole { name, .. } => Some(name),
            Part::Text(_) => None,
        }
    }

    /// Lets its last hole stand for all that follows.
    pub fn widen(&mut self) {
        if let Some(Part::Hole { rest, .. }) = self.parts.last_mut() {
            *rest = true;
        }
    }

    /// What the holes stand for, if the pattern fits the whole name.
    pub fn captures(&self, name: &str) -> Option<Captures> {
        let mut found = vec![];
        fits(&self.parts, name, &mut found).then_some(found)
    }

    /// The name with these texts in the holes.
    pub fn fill(&self, captures: &Captures) -> String {
        let value = |hole: &str| captures.iter().find(|(n, _)| n == hole).map_or("", |(_, v)| v);
        let text = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Hole { name, .. } => value(name).to_string(),
        };
        self.parts.iter().map(text).collect()
    }
}

fn push_hole(parts: &mut Vec<Part>, name: &str) -> Result<(), Fault> {
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let again = |part: &Part| matches!(part, Part::Hole { name: n, .. } if n == name);
    match parts.last() {
        _ if !is_name => Err(Fault::Name),
        _ if parts.iter().any(again) => Err(Fault::Twice),
        Some(Part::Hole { .. }) => Err(Fault::Adjacent),
        _ => {
            parts.push(Part::Hole { name: name.into(), rest: false });
            Ok(())
        }
    }
}

/// Fits parts to the whole of `text`; holes take as little as they can.
fn fits(parts: &[Part], text: &str, found: &mut Captures) -> bool {
    match parts.split_first() {
        None => text.is_empty(),
        Some((Part::Text(plain), parts)) => text.strip_prefix(plain.as_str()).is_some_and(|t| fits(parts, t, found)),
        Some((Part::Hole { name, rest: true }, _)) => {
            found.push((name.clone(), text.into()));
            !text.is_empty()
        }
        Some((Part::Hole { name, rest: false }, parts)) => {
            let most = text.find('.').unwrap_or(text.len());
            let ends = text.char_indices().map(|(i, c)| i + c.len_utf8()).take_while(|end| *end <= most);
            ends.into_iter().any(|end| {
                let before = found.len();
                found.push((name.clone(), text[..end].into()));
                let fit = fits(parts, &text[end..], found);
                if !fit {
                    found.truncate(before);
                }
                fit
            })
        }
    }
}

/// How alike two names are, from 0 to 1: twice the length of their longest common subsequence over both lengths, without
/// regard to case.
pub fn likeness(a: &str, b: &str) -> f64 {
    let (a, b): (Vec<u8>, Vec<u8>) = (a.to_ascii_lowercase().into(), b.to_ascii_lowercase().into());
    let mut row = vec![0usize; b.len() + 1];
    for x in &a {
        let mut diagonal = 0;
        for (j, y) in b.iter().enumerate() {
            let above = row[j + 1];
            row[j + 1] = if x == y { diagonal + 1 } else { above.max(row[j]) };
            diagonal = above;
        }
    }
    2.0 * row[b.len()] as f64 / (a.len() + b.len()).max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::parse(text).unwrap()
    }

    fn captured(pattern: &Pattern, name: &str) -> Option<Vec<String>> {
        pattern.captures(name).map(|c| c.into_iter().map(|(_, v)| v).collect())
    }

    #[test]
    fn holes_stand_for_text_without_dots() {
        let p = pattern("block.{i}.{p}.weight");
        assert_eq!(captured(&p, "block.10.q.weight").unwrap(), ["10", "q"]);
        assert_eq!(captured(&p, "block.10.a.q.weight"), None);
        assert_eq!(captured(&p, "block..q.weight"), None, "a hole is never empty");
        assert_eq!(captured(&p, "block.10.q.weights"), None);
        assert_eq!(captured(&p, "block.10.q.bias"), None);
    }

    #[test]
    fn holes_within_a_component() {
        let p = pattern("w_{a}_l{i}");
        assert_eq!(captured(&p, "w_ih_l0").unwrap(), ["ih", "0"]);
        assert_eq!(captured(&p, "w_a_la_l2").unwrap(), ["a", "a_l2"], "as little as possible, from the left");
        assert_eq!(captured(&pattern("{a}x"), "xx").unwrap(), ["x"]);
        assert_eq!(captured(&pattern("{a}é"), "éé").unwrap(), ["é"]);
    }

    #[test]
    fn only_a_wide_hole_takes_dots() {
        let mut p = pattern("bert.{rest}");
        assert_eq!(captured(&p, "bert.encoder.0.weight"), None);
        p.widen();
        assert_eq!(captured(&p, "bert.encoder.0.weight").unwrap(), ["encoder.0.weight"]);
        assert_eq!(captured(&p, "bert."), None);
    }

    #[test]
    fn what_is_captured_fills_other_patterns() {
        let captures = pattern("a.{i}.{p}").captures("a.3.q").unwrap();
        assert_eq!(pattern("{p}.blocks.{i}").fill(&captures), "q.blocks.3");
    }

    #[test]
    fn texts_that_are_no_patterns() {
        let faults = [
            ("a.{i", Fault::Brace),
            ("a.i}", Fault::Brace),
            ("{}", Fault::Name),
            ("{a b}", Fault::Name),
            ("{a}.{a}", Fault::Twice),
            ("{a}{b}", Fault::Adjacent),
        ];
        for (text, fault) in faults {
            assert_eq!(Pattern::parse(text), Err(fault), "{text}");
        }
        assert_eq!(pattern("").captures(""), Some(vec![]));
    }

    #[test]
    fn likeness_of_names() {
        assert_eq!(likeness("abc", "ABC"), 1.0);
        assert_eq!(likeness("abc", "xyz"), 0.0);
        assert_eq!(likeness("", ""), 0.0);
        assert_eq!(likeness("abcd", "axd"), 4.0 / 7.0);
        let wanted = "encoder.block.SelfAttention.q.weight";
        assert!(
            likeness(wanted, "encoder.blocks.attention.q.weight")
                > likeness(wanted, "decoder.blocks.attention.q.weight")
        );
    }

    #[test]
    fn an_order_and_its_inverse() {
        let turn = Turn::Order(vec![2, 3, 1, 0]);
        assert_eq!(turn.inverse(4).unwrap(), [3, 2, 0, 1]);
        assert_eq!(turn.order(3), None);
        assert_eq!(turn.order(1).unwrap(), [0]);
        assert_eq!(Turn::Swapped.order(3).unwrap(), [0, 2, 1]);
        assert_eq!(Turn::Swapped.order(1).unwrap(), [0]);
        assert_eq!(Turn::Swapped.order(0).unwrap(), [0; 0]);
    }
}
