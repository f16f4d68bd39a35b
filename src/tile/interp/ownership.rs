//! Which grid point touched which element: points run in any order and at once, so none may need another.

/// Nobody yet.
const NOBODY: u32 = u32::MAX;
/// More than one point: of readers only.
const SEVERAL: u32 = u32::MAX - 1;

/// The points that read and wrote each element of each buffer.
pub(super) struct Ownership {
    readers: Vec<Vec<u32>>,
    writers: Vec<Vec<u32>>,
    pub point: u32,
}

impl Ownership {
    /// Of buffers with so many elements.
    pub fn new(sizes: impl Iterator<Item = usize>) -> Ownership {
        let readers: Vec<Vec<u32>> = sizes.map(|n| vec![NOBODY; n]).collect();
        Ownership { writers: readers.clone(), readers, point: 0 }
    }

    pub fn read(&mut self, buffer: usize, at: usize) -> Result<(), String> {
        let (reader, writer) = (&mut self.readers[buffer][at], self.writers[buffer][at]);
        *reader = if [NOBODY, self.point].contains(reader) { self.point } else { SEVERAL };
        self.alone(buffer, at, writer)
    }

    pub fn write(&mut self, buffer: usize, at: usize) -> Result<(), String> {
        let writer = std::mem::replace(&mut self.writers[buffer][at], self.point);
        self.alone(buffer, at, writer)?;
        self.alone(buffer, at, self.readers[buffer][at])
    }

    /// The elements of each buffer that some point read, and that some point wrote.
    #[cfg(test)]
    pub fn touched(&self) -> [Vec<Vec<usize>>; 2] {
        let elements = |owners: &Vec<u32>| (0..owners.len()).filter(|e| owners[*e] != NOBODY).collect();
        [&self.readers, &self.writers].map(|all| all.iter().map(elements).collect())
    }

    fn alone(&self, buffer: usize, at: usize, other: u32) -> Result<(), String> {
        if other == NOBODY || other == self.point {
            return Ok(());
        }
        Err(format!("element {at} of buffer {buffer} is written by one point and touched by another"))
    }
}
