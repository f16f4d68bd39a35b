//! Philox4x32-10 (Salmon et al., 2011), one word per element.

use super::Builder;
use crate::ops::{Compare, DType};
use crate::tile::{Index, Map, TileOp, TileType, Value};

const MULTIPLIERS: [u32; 2] = [0xd251_1f53, 0xcd9e_8d57];
const KEY_STEPS: [u32; 2] = [0x9e37_79b9, 0xbb67_ae85];
const SECOND_KEY: u32 = 0x6e6e_6300;

impl Builder {
    /// Word `index % 4` of block `index / 4`.
    pub(super) fn philox(&mut self, key: u64, seed: Value, step: Value, index: &Index, ty: TileType) -> Value {
        let ty = TileType { dtype: DType::I32, ..ty };
        let block = self.emit(ty, TileOp::Index(Index::FloorDiv(Box::new(index.clone()), 4)));
        let word = self.emit(ty, TileOp::Index(Index::Mod(Box::new(index.clone()), 4)));
        let mut counter = [block, step, self.i(key as i32), self.i((key >> 32) as i32)];
        let mut keys = [seed, self.i(SECOND_KEY as i32)];
        for round in 0..10 {
            if round > 0 {
                keys = self.next_keys(keys[0], round);
            }
            counter = self.philox_round(counter, keys);
        }
        let mut result = counter[3];
        for (n, candidate) in counter[..3].iter().enumerate() {
            let n = self.i(n as i32);
            let is_it = self.compare(Compare::Eq, word, n);
            result = self.select(is_it, *candidate, result);
        }
        result
    }

    /// The second key is known, the first depends on the seed.
    fn next_keys(&mut self, first: Value, round: u32) -> [Value; 2] {
        let step = self.i(KEY_STEPS[0] as i32);
        let second = SECOND_KEY.wrapping_add(KEY_STEPS[1].wrapping_mul(round));
        [self.add(first, step), self.i(second as i32)]
    }

    fn philox_round(&mut self, counter: [Value; 4], keys: [Value; 2]) -> [Value; 4] {
        let m = MULTIPLIERS.map(|m| self.i(m as i32));
        let (low_0, high_0) = (self.mul(counter[0], m[0]), self.bin(Map::MulHigh, counter[0], m[0]));
        let (low_1, high_1) = (self.mul(counter[2], m[1]), self.bin(Map::MulHigh, counter[2], m[1]));
        let first = self.bin(Map::Xor, high_1, counter[1]);
        let first = self.bin(Map::Xor, first, keys[0]);
        let third = self.bin(Map::Xor, high_0, counter[3]);
        let third = self.bin(Map::Xor, third, keys[1]);
        [first, low_1, third, low_0]
    }
}
