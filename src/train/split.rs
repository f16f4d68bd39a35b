//! Splits: which rows of which part a named split has. A split depends on the data and the declaration alone, never on a
//! seed, so that what was held out stays held out.

use super::data::{DataSet, Part, Stored};
use crate::diag::{Code, Diagnostic};
use crate::ops::DType;
use crate::sema::model::{Data, Split, SplitBy, SplitSize};
use std::collections::HashMap;

/// The rows of a split, ascending, in one part of the data.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows {
    pub part: String,
    pub rows: Vec<u32>,
}

/// Resolves all splits of a declaration. Without any, every part is a split of its own name.
pub fn resolve(data: &Data, set: &DataSet) -> Result<HashMap<String, Rows>, Diagnostic> {
    let mut left: HashMap<String, Rows> = set.parts.iter().map(|p| (p.name.clone(), all_rows(p))).collect();
    if data.splits.is_empty() {
        return Ok(left);
    }
    let mut done = HashMap::new();
    for split in &data.splits {
        if let Some((of, count)) = taken(split, set)? {
            let pool = left.get_mut(&of).ok_or_else(|| no_such_part(split, &of, set))?;
            let part = set.part(&pool.part).ok_or_else(|| no_such_part(split, &of, set))?;
            let rows = take(split, data, part, pool, count)?;
            done.insert(split.name.clone(), Rows { part: pool.part.clone(), rows });
        }
    }
    for split in &data.splits {
        let of = match &split.size {
            SplitSize::Own => &split.name,
            SplitSize::Rest { of } => of,
            _ => continue,
        };
        let of = if set.part(of).is_none() && set.parts.len() == 1 { &set.parts[0].name } else { of };
        set.part(of).ok_or_else(|| no_such_part(split, of, set))?;
        let rows = left.remove(of).ok_or_else(|| rest_twice(split, of))?;
        done.insert(split.name.clone(), rows);
    }
    Ok(done)
}

fn all_rows(part: &Part) -> Rows {
    Rows { part: part.name.clone(), rows: (0..part.rows as u32).collect() }
}

/// From which part a split takes how many rows (`None`: what is left).
fn taken(split: &Split, set: &DataSet) -> Result<Option<(String, usize)>, Diagnostic> {
    let part = |of: &str| {
        let name = if set.part(of).is_none() && set.parts.len() == 1 { &set.parts[0].name } else { of };
        set.part(name).ok_or_else(|| no_such_part(split, of, set))
    };
    Ok(match &split.size {
        SplitSize::Own | SplitSize::Rest { .. } => None,
        SplitSize::Fraction { of, part: fraction } => {
            let part = part(of)?;
            Some((part.name.clone(), (part.rows as f64 * fraction).round() as usize))
        }
        SplitSize::Rows { of, rows } => Some((part(of)?.name.clone(), *rows)),
    })
}

/// Moves `count` rows out of `pool`.
fn take(split: &Split, data: &Data, part: &Part, pool: &mut Rows, count: usize) -> Result<Vec<u32>, Diagnostic> {
    // Fractions are rounded each by itself: the last split takes what is there.
    let rounding = data.splits.len();
    if count > pool.rows.len() + rounding {
        return Err(too_few(split, count, pool.rows.len()));
    }
    let count = count.min(pool.rows.len());
    let mut order = pool.rows.clone();
    match &split.by {
        SplitBy::Hash => order.sort_by_key(|&r| (hash(u64::from(r)), r)),
        SplitBy::Position => {}
        SplitBy::Field(field) => {
            let key = group_keys(split, part, field)?;
            order.sort_by_key(|&r| (hash(key[r as usize]), key[r as usize], r));
            return Ok(whole_groups(pool, order, count, &key));
        }
    }
    let mut rows = order[..count].to_vec();
    rows.sort_unstable();
    pool.rows.retain(|r| rows.binary_search(r).is_err());
    Ok(rows)
}

/// Takes whole groups until at least `count` rows are taken.
fn whole_groups(pool: &mut Rows, order: Vec<u32>, count: usize, key: &[u64]) -> Vec<u32> {
    let mut end = count;
    while end > 0 && end < order.len() && key[order[end] as usize] == key[order[end - 1] as usize] {
        end += 1;
    }
    let mut rows = order[..end].to_vec();
    rows.sort_unstable();
    pool.rows.retain(|r| rows.binary_search(r).is_err());
    rows
}

fn group_keys(split: &Split, part: &Part, field: &str) -> Result<Vec<u64>, Diagnostic> {
    let Some(Stored::Whole(array)) = part.column(field) else { return Err(no_field(split, field)) };
    let size = array.dtype.size() * array.row.iter().product::<usize>();
    if array.dtype == DType::F64 || size > 8 || size == 0 {
        return Err(no_field(split, field));
    }
    let word = |row: &[u8]| row.iter().rev().fold(0u64, |w, &b| w << 8 | u64::from(b));
    Ok(array.bytes.as_slice().chunks_exact(size).map(word).collect())
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

fn too_few(split: &Split, wanted: usize, found: usize) -> Diagnostic {
    Diagnostic::error(Code(711), format!("split `{}` wants {wanted} rows, {found} are left", split.name))
        .label(split.span, "asked for here")
}

fn no_field(split: &Split, field: &str) -> Diagnostic {
    Diagnostic::error(Code(712), format!("cannot split by `{field}`"))
        .label(split.span, "asked for here")
        .help("name a stored column with one number a row, or use `hash` or `position`")
}
