//! Lines for a `load`: what is missing in the program's names, paired with what is left in the file by shape and likeness.

use super::file::Archive;
use super::plan::Mismatch;
use crate::sema::weights::{Load, Pattern, Turn, likeness};
use std::collections::BTreeMap;

/// A line to add; a side without names is `skip`.
pub(super) struct Proposal {
    own: Option<Family>,
    foreign: Option<Family>,
    turn: Turned,
}

/// Whether the axes change places; `Either` where the shape does not tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Turned {
    No,
    Yes,
    Either,
}

/// Names that differ in their numbers only: `block.{i}.weight`.
#[derive(Clone, PartialEq, Debug)]
struct Family {
    pattern: String,
    /// The numbers of each member, and its shape.
    members: BTreeMap<Vec<String>, Vec<usize>>,
}

/// Names of holes for the numbers in a name, outermost first.
const HOLES: [&str; 6] = ["i", "j", "k", "l", "m", "n"];

/// The name with holes for its numbers, and the numbers.
fn general(name: &str) -> (String, Vec<String>) {
    let mut numbers = vec![];
    let component = |part: &str| match HOLES.get(numbers.len()) {
        Some(hole) if part.parse::<u64>().is_ok() => {
            numbers.push(part.to_string());
            format!("{{{hole}}}")
        }
        _ => part.to_string(),
    };
    let parts: Vec<String> = name.split('.').map(component).collect();
    (parts.join("."), numbers)
}

fn families<'n>(names: impl Iterator<Item = (&'n str, Vec<usize>)>) -> Vec<Family> {
    let mut families: Vec<Family> = vec![];
    for (name, shape) in names {
        let (pattern, numbers) = general(name);
        match families.iter_mut().find(|f| f.pattern == pattern) {
            Some(family) => drop(family.members.insert(numbers, shape)),
            None => families.push(Family { pattern, members: BTreeMap::from([(numbers, shape)]) }),
        }
    }
    families.into_iter().flat_map(Family::narrowed).collect()
}

impl Family {
    /// A family of one has its numbers in its name.
    fn narrowed(self) -> Vec<Family> {
        if self.members.len() > 1 {
            return vec![self];
        }
        let one = |(numbers, shape): (Vec<String>, Vec<usize>)| {
            let fill = |text: String, (hole, number): (&&str, &String)| text.replace(&format!("{{{hole}}}"), number);
            let pattern = HOLES.iter().zip(&numbers).fold(self.pattern.clone(), fill);
            Family { pattern, members: BTreeMap::from([(vec![], shape)]) }
        };
        self.members.clone().into_iter().map(one).collect()
    }

    fn text(&self) -> String {
        let shape = self.members.values().next().map(|s| format!("{s:?}")).unwrap_or_default();
        match self.members.len() {
            1 => format!("{} {shape}", self.pattern),
            count => format!("{} {shape}, {count} times", self.pattern),
        }
    }

    /// How the members of a family of the file become those of this one; `None` if they do not.
    fn turned(&self, foreign: &Family) -> Option<Turned> {
        if !self.members.keys().eq(foreign.members.keys()) {
            return None;
        }
        let mut pairs = self.members.values().zip(foreign.members.values());
        let swapped = |(own, file): (&Vec<usize>, &Vec<usize>)| {
            let mut own = own.clone();
            if let [.., a, b] = &mut own[..] {
                std::mem::swap(a, b);
            }
            own == *file
        };
        let is_flat = |(own, _): (&Vec<usize>, _)| own.len() < 2;
        match (pairs.clone().all(|(a, b)| a == b), !pairs.clone().all(is_flat) && pairs.clone().all(swapped)) {
            (true, true) => Some(Turned::Either),
            (true, false) => Some(if pairs.all(is_flat) { Turned::Either } else { Turned::No }),
            (false, true) => Some(Turned::Yes),
            (false, false) => None,
        }
    }

    fn is_flat(&self) -> bool {
        self.members.values().all(|shape| shape.len() < 2)
    }
}

impl Proposal {
    /// Both sides, for the list of the error.
    pub fn row(&self) -> String {
        let text = |family: &Option<Family>| family.as_ref().map_or("–".into(), Family::text);
        format!("  program {}\n     file {}", text(&self.own), text(&self.foreign))
    }
}

/// Pairs what is missing with what is not used, the most alike first; the rest stays alone.
pub(super) fn proposals(load: &Load, archive: &Archive, found: &Mismatch) -> Vec<Proposal> {
    let local = |path| load.local(path).unwrap_or(path);
    let mut own = families(found.missing.iter().map(|p| (local(p.path.as_str()), p.ty.shape.clone())));
    let shape = |name: &str| archive.ty(name).map_or(vec![], |ty| ty.shape.clone());
    let mut foreign = families(found.unused.iter().map(|name| (name.as_str(), shape(name))));
    let mut proposals = vec![];
    while let Some((i, j, turn)) = most_alike(&own, &foreign) {
        proposals.push(Proposal { own: Some(own.remove(i)), foreign: Some(foreign.remove(j)), turn });
    }
    settle(load, &mut proposals);
    proposals.sort_by(|a, b| pattern(&a.foreign).cmp(pattern(&b.foreign)));
    let alone = |own, foreign| Proposal { own, foreign, turn: Turned::No };
    proposals.extend(own.into_iter().map(|family| alone(Some(family), None)));
    proposals.extend(foreign.into_iter().map(|family| alone(None, Some(family))));
    proposals
}

fn pattern(family: &Option<Family>) -> &str {
    family.as_ref().map_or("", |f| &f.pattern)
}

fn most_alike(own: &[Family], foreign: &[Family]) -> Option<(usize, usize, Turned)> {
    let pairs = own.iter().enumerate().flat_map(|(i, a)| foreign.iter().enumerate().map(move |(j, b)| (i, j, a, b)));
    let fitting = pairs.filter_map(|(i, j, a, b)| Some((i, j, a.turned(b)?, likeness(&a.pattern, &b.pattern))));
    fitting.max_by(|a, b| a.3.total_cmp(&b.3).then(b.1.cmp(&a.1))).map(|(i, j, turn, _)| (i, j, turn))
}

/// A square matrix is transposed where others are.
fn settle(load: &Load, proposals: &mut [Proposal]) {
    let others = proposals.iter().any(|p| p.turn == Turned::Yes) || load.lines.iter().any(|l| l.turn == Turn::Swapped);
    for p in proposals.iter_mut().filter(|p| p.turn == Turned::Either) {
        let flat = p.own.as_ref().is_some_and(Family::is_flat);
        p.turn = match (flat, others) {
            (true, _) => Turned::Either,
            (false, true) => Turned::Yes,
            (false, false) => Turned::No,
        };
    }
}

/// The proposals as lines of a `load`; lines that differ in one word on both sides become one.
pub(super) fn lines(proposals: &[Proposal], archive: &Archive, found: &Mismatch) -> Vec<String> {
    let paired =
        proposals.iter().filter_map(|p| Some((&p.foreign.as_ref()?.pattern, &p.own.as_ref()?.pattern, p.turn)));
    let mut left: Vec<Draft> = paired.map(|(f, o, turn)| Draft::new(f, o, turn)).collect();
    let mut lines = vec![];
    while !left.is_empty() {
        let (draft, taken) = merged(&left, archive, found);
        left.retain(|d| !taken.contains(d));
        lines.push(draft.line());
    }
    lines.extend(proposals.iter().filter_map(alone));
    lines
}

fn alone(proposal: &Proposal) -> Option<String> {
    match (&proposal.own, &proposal.foreign) {
        (Some(own), None) => Some(format!("skip -> \"{}\"", own.pattern)),
        (None, Some(foreign)) => Some(format!("\"{}\" -> skip", foreign.pattern)),
        _ => None,
    }
}

/// A line by its components.
#[derive(Clone, PartialEq, Debug)]
struct Draft {
    foreign: Vec<String>,
    own: Vec<String>,
    turn: Turned,
}

impl Draft {
    fn new(foreign: &str, own: &str, turn: Turned) -> Draft {
        let parts = |text: &str| text.split('.').map(str::to_string).collect();
        Draft { foreign: parts(foreign), own: parts(own), turn }
    }

    fn line(&self) -> String {
        let word = if self.turn == Turned::Yes { " transposed" } else { "" };
        format!("\"{}\" -> \"{}\"{word}", self.foreign.join("."), self.own.join("."))
    }

    /// The same with a hole for a component that both sides have.
    fn opened(&self) -> Vec<Draft> {
        let is_word = |part: &String| !part.starts_with('{');
        let places = |parts: &[String], part: &String| parts.iter().position(|p| p == part);
        let open = |(at, part): (usize, &String)| {
            let mut draft = self.clone();
            let place = places(&self.own, part)?;
            draft.foreign[at] = "{p}".into();
            draft.own[place] = "{p}".into();
            Some(draft)
        };
        self.foreign.iter().enumerate().filter(|(_, part)| is_word(part)).filter_map(open).collect()
    }

    fn agrees(&self, other: &Draft) -> bool {
        let turns = [self.turn, other.turn];
        let same = self.turn == other.turn || turns.contains(&Turned::Either);
        same && self.foreign == other.foreign && self.own == other.own
    }
}

/// The first line with those that one more hole adds to it, if that takes nothing else of the file.
fn merged(left: &[Draft], archive: &Archive, found: &Mismatch) -> (Draft, Vec<Draft>) {
    let first = &left[0];
    let with = |open: &Draft| -> Vec<Draft> {
        left.iter().filter(|d| d.opened().iter().any(|o| o.agrees(open))).cloned().collect()
    };
    let options = first.opened().into_iter().map(|open| (with(&open), open));
    let fine = options.filter(|(taken, open)| taken.len() > 1 && takes_only(open, taken, archive, found));
    match fine.max_by_key(|(taken, _)| taken.len()) {
        Some((taken, mut open)) => {
            let decided = taken.iter().map(|d| d.turn).find(|turn| *turn != Turned::Either);
            open.turn = decided.unwrap_or(open.turn);
            (open, taken)
        }
        None => (first.clone(), vec![first.clone()]),
    }
}

/// Whether a line fits no name of the file beyond those of the lines that it stands for.
fn takes_only(open: &Draft, taken: &[Draft], archive: &Archive, found: &Mismatch) -> bool {
    let pattern = |parts: &[String]| Pattern::parse(&parts.join(".")).ok();
    let Some(wide) = pattern(&open.foreign) else { return false };
    let narrow: Vec<Pattern> = taken.iter().filter_map(|d| pattern(&d.foreign)).collect();
    let used = |name: &&str| !found.unused.iter().any(|unused| unused == name);
    let mut fitting = archive.names().filter(|name| wide.captures(name).is_some());
    fitting.all(|name| !used(&name) && narrow.iter().any(|p| p.captures(name).is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_become_holes() {
        assert_eq!(general("a.0.b.12.weight"), ("a.{i}.b.{j}.weight".into(), vec!["0".into(), "12".into()]));
        let names = [("a.0.w", vec![2]), ("a.1.w", vec![2]), ("b.3.w", vec![4])];
        let found = families(names.into_iter());
        assert_eq!(found.iter().map(Family::text).collect::<Vec<_>>(), ["a.{i}.w [2], 2 times", "b.3.w [4]"]);
    }

    fn family(pattern: &str, shape: &[usize]) -> Family {
        families([(pattern, shape.to_vec())].into_iter()).remove(0)
    }

    #[test]
    fn shapes_tell_what_is_transposed() {
        let turned = |own: &[usize], file: &[usize]| family("a", own).turned(&family("b", file));
        assert_eq!(turned(&[2, 3], &[3, 2]), Some(Turned::Yes));
        assert_eq!(turned(&[2, 3], &[2, 3]), Some(Turned::No));
        assert_eq!(turned(&[3, 3], &[3, 3]), Some(Turned::Either));
        assert_eq!(turned(&[3], &[3]), Some(Turned::Either));
        assert_eq!(turned(&[], &[]), Some(Turned::Either));
        assert_eq!(turned(&[3], &[4]), None);
    }
}
