//! Splits: which rows of which part a named split has. A split depends on the data and the declaration alone, never on a
//! seed, so that what was held out stays held out.

use super::data::{DataSet, Part, Stored};
use crate::diag::{Code, Diagnostic};
use crate::ops::DType;
use crate::sema::model::{Data, Split, SplitBy, SplitSize};
use std::collections::HashMap;
use std::ops::Range;

/// The rows of a split, ascending, in one part of the data.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows {
    pub part: String,
    pub rows: Vec<u32>,
}

/// Resolves all splits of a declaration. Without any, every part is a split of its own name.
pub fn resolve(data: &Data, set: &DataSet) -> Result<HashMap<String, Rows>, Diagnostic> {
    let whole = |p: &Part| (p.name.clone(), Rows { part: p.name.clone(), rows: (0..p.rows as u32).collect() });
    let mut parts: HashMap<String, Rows> = set.parts.iter().map(whole).collect();
    if data.splits.is_empty() {
        return Ok(parts);
    }
    let names: Vec<&str> = set.parts.iter().map(|p| p.name.as_str()).collect();
    let mut done = HashMap::new();
    for group in groups(data, &names) {
        // A part of the source, or a split that was cut before.
        let (mut pool, nested) = match done.remove(group.of) {
            Some(rows) => (rows, true),
            None => (parts.remove(group.of).ok_or_else(|| no_such_part(group.splits[0], group.of, set))?, false),
        };
        let part = set.part(&pool.part).ok_or_else(|| no_such_part(group.splits[0], group.of, set))?;
        for (split, rows) in cut(data, &group, &mut pool, part, nested)? {
            done.insert(split.name.clone(), Rows { part: pool.part.clone(), rows });
        }
        if nested {
            done.insert(group.of.into(), pool);
        }
    }
    Ok(done)
}

/// The pieces of a text of so many units.
pub fn pieces(data: &Data, units: u64) -> Result<HashMap<String, Range<u64>>, Diagnostic> {
    let mut done: HashMap<String, Range<u64>> = HashMap::new();
    for group in groups(data, &[""]) {
        let parent = done.remove(group.of);
        let whole = parent.clone().unwrap_or(0..units);
        let layout = layout(&group, whole.end - whole.start, parent.is_some())?;
        let piece = |range: &Range<u64>| whole.start + range.start..whole.start + range.end;
        for (split, range) in group.splits.iter().zip(&layout.ranges) {
            done.insert(split.name.clone(), piece(range));
        }
        if parent.is_some() {
            done.insert(group.of.into(), piece(&layout.left));
        }
    }
    Ok(done)
}

/// The split that conversions learn from.
pub fn training_name(data: &Data) -> &str {
    let train = data.splits.iter().find(|s| s.name == "train").or(data.splits.first());
    train.map_or("train", |s| &s.name)
}

/// The piece of a text that conversions learn from.
pub fn training(data: &Data, pieces: &HashMap<String, Range<u64>>) -> Range<u64> {
    pieces.get(training_name(data)).cloned().unwrap_or(0..0)
}

/// A split with all that there is.
pub fn everything(data: &Data) -> Split {
    let size = SplitSize::Rest { of: String::new() };
    Split { name: "all".into(), size, by: SplitBy::Position, span: data.span }
}

/// Splits that are cut from one part or split, in order.
struct Group<'a> {
    of: &'a str,
    splits: Vec<&'a Split>,
}

/// The groups, each after the one that has what it is cut from; `stored` are the names of the stored parts.
fn groups<'a>(data: &'a Data, stored: &[&'a str]) -> Vec<Group<'a>> {
    let of = |split: &'a Split| cut_from(split, data, stored);
    let mut groups: Vec<Group> = vec![];
    for split in &data.splits {
        match groups.iter_mut().find(|g| g.of == of(split)) {
            Some(group) => group.splits.push(split),
            None => groups.push(Group { of: of(split), splits: vec![split] }),
        }
    }
    // The checker has refused circles.
    let depth = |group: &Group<'a>| {
        let above = |name: &'a str| {
            let split = data.splits.iter().find(|s| s.name == name).filter(|_| !stored.contains(&name));
            split.map(of)
        };
        std::iter::successors(above(group.of), |name| above(name)).take(data.splits.len()).count()
    };
    groups.sort_by_key(depth);
    groups
}

/// A stored part, another split, or else the only part.
fn cut_from<'a>(split: &'a Split, data: &'a Data, stored: &[&'a str]) -> &'a str {
    let name = parent(split);
    let other = data.splits.iter().any(|s| s.name == name && s.name != split.name);
    match stored {
        [only] if name != *only && !other => only,
        _ => name,
    }
}

fn parent(split: &Split) -> &str {
    match &split.size {
        SplitSize::Own => &split.name,
        SplitSize::Rest { of } | SplitSize::Fraction { of, .. } | SplitSize::Rows { of, .. } => of,
    }
}

/// Where the splits of a group lie in what they are cut from, and what they leave.
struct Layout {
    ranges: Vec<Range<u64>>,
    left: Range<u64>,
}

/// Lays out the splits one after the other; before them stays what a split leaves that they are cut from.
fn layout(group: &Group, total: u64, nested: bool) -> Result<Layout, Diagnostic> {
    let sizes = sizes(group, total)?;
    let sized: u64 = sizes.iter().flatten().sum();
    let mut at = if nested { total - sized } else { 0 };
    let left = 0..at;
    let mut ranges = vec![];
    for size in sizes {
        let end = at + size.unwrap_or(total - sized);
        ranges.push(at..end);
        at = end;
    }
    Ok(Layout { ranges, left })
}

/// The size of each split of a group; `None` for the one that takes what is left.
fn sizes(group: &Group, total: u64) -> Result<Vec<Option<u64>>, Diagnostic> {
    let mut left = total;
    let mut sizes = vec![];
    for split in &group.splits {
        let wanted = match &split.size {
            SplitSize::Own | SplitSize::Rest { .. } => None,
            SplitSize::Fraction { part, .. } => Some((total as f64 * part).round() as u64),
            SplitSize::Rows { rows, .. } => Some(*rows as u64),
        };
        // Fractions are rounded each by itself: the last split takes what is there.
        if let Some(wanted) = wanted
            && wanted > left + group.splits.len() as u64
        {
            return Err(too_few(split, wanted, left));
        }
        let size = wanted.map(|n| n.min(left));
        left -= size.unwrap_or(0);
        sizes.push(size);
    }
    let mut rest = group.splits.iter().zip(&sizes).filter(|(_, size)| size.is_none()).skip(1);
    match rest.next() {
        Some((split, _)) => Err(rest_twice(split, group.of)),
        None => Ok(sizes),
    }
}

/// Moves the rows of each split out of `pool`.
fn cut<'a>(
    data: &Data,
    group: &Group<'a>,
    pool: &mut Rows,
    part: &Part,
    nested: bool,
) -> Result<Vec<(&'a Split, Vec<u32>)>, Diagnostic> {
    let total = pool.rows.len() as u64;
    // A rule that is said once holds for the group.
    let mut rules = group.splits.iter().map(|s| &s.by);
    let key = match rules.find(|by| **by != SplitBy::Hash).unwrap_or(&SplitBy::Hash) {
        SplitBy::Position => {
            let layout = layout(group, total, nested)?;
            let rows = |range: &Range<u64>| pool.rows[range.start as usize..range.end as usize].to_vec();
            let cut = group.splits.iter().zip(&layout.ranges).map(|(s, range)| (*s, rows(range))).collect();
            pool.rows = rows(&layout.left);
            return Ok(cut);
        }
        SplitBy::Hash => None,
        SplitBy::Field(field) => Some(group_keys(group.splits[0], data, part, field)?),
    };
    let sizes = sizes(group, total)?;
    let mut taken = vec![];
    for (split, size) in group.splits.iter().zip(&sizes) {
        let rows = size.map(|count| take(pool, count as usize, key.as_deref()));
        taken.push((*split, rows));
    }
    let rest =
        |(split, rows): (&'a Split, Option<Vec<u32>>)| (split, rows.unwrap_or_else(|| std::mem::take(&mut pool.rows)));
    Ok(taken.into_iter().map(rest).collect())
}

/// Moves `count` rows out of `pool`, or whole groups of equal keys until that many are taken.
fn take(pool: &mut Rows, count: usize, key: Option<&[u64]>) -> Vec<u32> {
    let mut order = pool.rows.clone();
    let mut end = count.min(order.len());
    match key {
        None => order.sort_by_key(|&r| (hash(u64::from(r)), r)),
        Some(key) => {
            let of = |r: u32| key[r as usize];
            order.sort_by_key(|&r| (hash(of(r)), of(r), r));
            while end > 0 && end < order.len() && of(order[end]) == of(order[end - 1]) {
                end += 1;
            }
        }
    }
    let mut rows = order[..end].to_vec();
    rows.sort_unstable();
    pool.rows.retain(|r| rows.binary_search(r).is_err());
    rows
}

/// A number for each row, equal for equal values of a stored column.
fn group_keys(split: &Split, data: &Data, part: &Part, field: &str) -> Result<Vec<u64>, Diagnostic> {
    let array = match data.columns.iter().find(|c| c.stored == field).and_then(|c| part.column(&c.name)) {
        Some(Stored::Whole(array)) => array,
        Some(Stored::Texts(texts)) => {
            let mut bytes = vec![];
            let key = |row| texts.bytes(row, &mut bytes).map(|()| fnv1a(&bytes));
            return (0..part.rows).map(key).collect::<Result<_, _>>().map_err(|_| no_field(split, field));
        }
        _ => return Err(no_field(split, field)),
    };
    let size = array.dtype.size() * array.row.iter().product::<usize>();
    if array.dtype == DType::F64 || size > 8 || size == 0 {
        return Err(no_field(split, field));
    }
    let word = |row: &[u8]| row.iter().rev().fold(0u64, |w, &b| w << 8 | u64::from(b));
    Ok(array.bytes.as_slice().chunks_exact(size).map(word).collect())
}

/// The 64-bit FNV-1a hash.
pub fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// SplitMix64's output function (Steele, Lea, Flood 2014): a fixed hash, part of the language.
pub fn hash(x: u64) -> u64 {
    let z = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn no_such_part(split: &Split, of: &str, set: &DataSet) -> Diagnostic {
    let names: Vec<&str> = set.parts.iter().map(|p| p.name.as_str()).collect();
    Diagnostic::error(Code(710), format!("the data has no part `{of}` for split `{}`", split.name))
        .label(split.span, "asked for here")
        .help(format!("the source stores: {}", names.join(", ")))
}

fn rest_twice(split: &Split, of: &str) -> Diagnostic {
    Diagnostic::error(Code(709), format!("split `{}` would take the same rows as another split", split.name))
        .label(split.span, format!("takes what is left of `{of}`, and so does a split before it"))
        .help("say how much it takes, as in `split train 0.8, test 0.2 by hash`")
}

fn too_few(split: &Split, wanted: u64, found: u64) -> Diagnostic {
    Diagnostic::error(Code(711), format!("split `{}` wants {wanted} rows, {found} are left", split.name))
        .label(split.span, "asked for here")
}

fn no_field(split: &Split, field: &str) -> Diagnostic {
    Diagnostic::error(Code(712), format!("cannot split by `{field}`"))
        .label(split.span, "asked for here")
        .help("name a stored column with one number a row, or use `hash` or `position`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sema::model::{Column, Reading};

    /// Splits as name, size, what they are cut from, and the rule of all.
    fn data(splits: &[(&str, &str, &str)], by: &SplitBy) -> Data {
        let size = |size: &str, of: &str| match (size, of) {
            ("", "own") => SplitSize::Own,
            ("", of) => SplitSize::Rest { of: of.into() },
            (n, of) if n.contains('.') => SplitSize::Fraction { of: of.into(), part: n.parse().unwrap() },
            (n, of) => SplitSize::Rows { of: of.into(), rows: n.parse().unwrap() },
        };
        let split = |&(name, n, of): &(&str, &str, &str)| Split {
            name: name.into(),
            size: size(n, of),
            by: by.clone(),
            span: Default::default(),
        };
        let columns = vec![Column {
            name: "key".into(),
            stored: "key".into(),
            reading: Reading::Number,
            dtype: DType::I32,
            shape: vec![],
            span: Default::default(),
        }];
        Data {
            name: "D".into(),
            source: "csv".into(),
            files: crate::sema::model::Files::One("d".into()),
            columns,
            lengths: vec![],
            splits: splits.iter().map(split).collect(),
            span: Default::default(),
        }
    }

    fn set(parts: &[(&str, usize)]) -> DataSet {
        let part = |&(name, rows): &(&str, usize)| {
            let keys: Vec<i32> = (0..rows as i32).map(|i| i / 3).collect();
            let array = super::super::data::array::Array { dtype: DType::I32, rows, row: vec![], bytes: keys.into() };
            let columns = vec![("key".to_string(), Stored::Whole(array))];
            Part { name: name.into(), path: Default::default(), rows, columns, bad: vec![] }
        };
        DataSet { name: "D".into(), parts: parts.iter().map(part).collect() }
    }

    fn rows(splits: &[(&str, &str, &str)], by: &SplitBy, parts: &[(&str, usize)]) -> Vec<Vec<u32>> {
        let found = resolve(&data(splits, by), &set(parts)).unwrap();
        splits.iter().map(|(name, ..)| found[*name].rows.clone()).collect()
    }

    #[test]
    fn by_position_splits_follow_each_other() {
        let whole = [("all", 10)];
        let found = rows(&[("train", "", ""), ("test", "0.2", "")], &SplitBy::Position, &whole);
        assert_eq!(found, [(0..8).collect::<Vec<_>>(), vec![8, 9]]);
        let found = rows(
            &[("a", "3", ""), ("b", "", ""), ("c", "2", ""), ("d", "0.5", "b"), ("e", "1", "d")],
            &SplitBy::Position,
            &whole,
        );
        assert_eq!(found, [vec![0, 1, 2], vec![3, 4], vec![8, 9], vec![5, 6], vec![7]]);
    }

    #[test]
    fn by_hash_each_row_is_in_one_split() {
        let splits = [("train", "0.7", ""), ("test", "", ""), ("validate", "0.1", "train"), ("tiny", "3", "validate")];
        let found = rows(&splits, &SplitBy::Hash, &[("all", 1000)]);
        assert_eq!(found.iter().map(Vec::len).collect::<Vec<_>>(), [630, 300, 67, 3]);
        assert!(found.iter().all(|rows| rows.is_sorted()));
        let mut all = found.concat();
        all.sort_unstable();
        assert_eq!(all, (0..1000).collect::<Vec<_>>());
        // What is held out of all rows does not depend on what is held out of the rest.
        assert_eq!(found[1], rows(&splits[..2], &SplitBy::Hash, &[("all", 1000)])[1]);
    }

    #[test]
    fn by_a_column_equal_values_stay_together() {
        let found = rows(&[("train", "", ""), ("test", "0.2", "")], &SplitBy::Field("key".into()), &[("all", 100)]);
        let groups = |rows: &[u32]| rows.iter().map(|r| r / 3).collect::<std::collections::BTreeSet<_>>();
        assert!(groups(&found[0]).is_disjoint(&groups(&found[1])));
        assert!((20..=22).contains(&found[1].len()));
        let wrong = data(&[("train", "0.5", "")], &SplitBy::Field("other".into()));
        assert_eq!(resolve(&wrong, &set(&[("all", 9)])).unwrap_err().code, Code(712));
    }

    #[test]
    fn parts_of_the_source_are_split_by_themselves() {
        let parts = [("train", 10), ("test", 4)];
        let splits = [("train", "", "train"), ("validate", "3", "train"), ("test", "", "own")];
        let found = rows(&splits, &SplitBy::Hash, &parts);
        assert_eq!(found.iter().map(Vec::len).collect::<Vec<_>>(), [7, 3, 4]);
        let code = |splits: &[(&str, &str, &str)], parts: &[(&str, usize)]| {
            resolve(&data(splits, &SplitBy::Hash), &set(parts)).unwrap_err().code
        };
        assert_eq!(code(&[("a", "", ""), ("b", "", "")], &[("all", 5)]), Code(709));
        assert_eq!(code(&[("a", "4", ""), ("b", "4", "")], &[("all", 5)]), Code(711));
        assert_eq!(code(&[("extra", "", "own")], &parts), Code(710));
    }

    #[test]
    fn pieces_of_a_text_follow_each_other() {
        let splits = [("train", "0.8", ""), ("test", "", ""), ("validate", "0.25", "train")];
        let found = pieces(&data(&splits, &SplitBy::Position), 1001).unwrap();
        assert_eq!((&found["train"], &found["validate"], &found["test"]), (&(0..601), &(601..801), &(801..1001)));
    }
}
