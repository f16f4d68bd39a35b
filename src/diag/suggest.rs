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

/// Case ignored: insertions, deletions, substitutions and swaps of neighbours count 1 (optimal string alignment).
fn edit_distance(a: &str, b: &str) -> usize {
    let chars = |s: &str| s.to_lowercase().chars().collect::<Vec<char>>();
    let (a, b) = (chars(a), chars(b));
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let swaps = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            let swapped = if swaps { rows[i - 2][j - 2] + 1 } else { usize::MAX };
            row.push(replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1).min(swapped));
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
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
        assert_eq!(suggest("haed", names.into_iter()), Some("head".into()));
        assert_eq!(edit_distance("kitten", "sitting"), 3);
        assert_eq!(edit_distance("", "ab"), 2);
    }
}
