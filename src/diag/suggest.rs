//! The name that was probably meant.

/// The candidate that is most like `name`, if one is like enough to be meant.
pub fn suggest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<String> {
    let limit = (name.chars().count() / 3).max(1);
    candidates
        .map(|c| (edit_distance(name, c), c))
        .filter(|&(d, c)| d <= limit && c != name && d < c.len())
        .min()
        .map(|(_, c)| c.to_string())
}

/// Levenshtein distance, case ignored: insertions, deletions and substitutions count 1.
fn edit_distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.to_lowercase(), b.to_lowercase());
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &cb) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(ca != cb);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_is_found() {
        let names = ["conv1", "conv2", "hidden", "head"];
        assert_eq!(suggest("hiden", names.into_iter()), Some("hidden".into()));
        assert_eq!(suggest("conv3", names.into_iter()), Some("conv1".into()));
        assert_eq!(suggest("softmax", names.into_iter()), None);
        assert_eq!(edit_distance("kitten", "sitting"), 3);
    }
}
