//! What a net has seen since it began, so that it can begin again where its context ends.

/// Tokens of rows side by side, position by position.
pub struct Seen {
    rows: usize,
    tokens: Vec<i32>,
    /// Positions so far; those that were forgotten are not among the tokens.
    positions: usize,
}

/// Positions that are remembered at least; with a longer context a net begins again with so many.
const KEPT: usize = 1 << 20;

impl Seen {
    pub fn new(rows: usize) -> Seen {
        Seen { rows, tokens: vec![], positions: 0 }
    }

    pub fn positions(&self) -> usize {
        self.positions
    }

    /// One token more for each row.
    pub fn push(&mut self, tokens: &[i32]) {
        if self.tokens.len() >= 2 * KEPT * self.rows {
            self.tokens.drain(..KEPT * self.rows);
        }
        self.tokens.extend(tokens);
        self.positions += 1;
    }

    /// Row i goes on from what was row `parents[i]`.
    pub fn reorder(&mut self, parents: &[i32]) {
        for position in self.tokens.chunks_exact_mut(self.rows) {
            let before = position.to_vec();
            position.iter_mut().zip(parents).for_each(|(token, &parent)| *token = before[parent as usize]);
        }
    }

    /// Forgets all but the last half, and gives that position by position.
    pub fn halve(&mut self) -> Vec<Vec<i32>> {
        let kept = (self.positions / 2).min(self.tokens.len() / self.rows);
        self.tokens.drain(..self.tokens.len() - kept * self.rows);
        self.positions = kept;
        self.tokens.chunks_exact(self.rows).map(<[i32]>::to_vec).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_half_is_that_of_the_rows_as_they_are() {
        let mut seen = Seen::new(2);
        (0..5).for_each(|i| seen.push(&[i, 10 + i]));
        seen.reorder(&[1, 1]);
        seen.push(&[7, 8]);
        assert_eq!(seen.halve(), [[13, 13], [14, 14], [7, 8]]);
        seen.reorder(&[1, 0]);
        assert_eq!((seen.positions(), seen.halve()), (3, vec![vec![8, 7]]));
    }

    #[test]
    fn a_text_without_end_takes_no_memory_without_end() {
        let mut seen = Seen::new(1);
        (0..5 * KEPT).for_each(|i| seen.push(&[i as i32]));
        assert!(seen.tokens.len() <= 2 * KEPT);
        assert_eq!(seen.positions(), 5 * KEPT);
        assert_eq!(seen.halve().last(), Some(&vec![5 * KEPT as i32 - 1]));
    }
}
