//! Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC 2011).

use super::array::Array;

const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
/// The second word of every key ("nnc\0").
const KEY_HIGH: u32 = 0x6E6E_6300;

/// One block of four words.
pub fn block(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    let keys = (0..10u32).map(|round| [0, 1].map(|i| key[i].wrapping_add(WEYL[i].wrapping_mul(round))));
    keys.fold(counter, round)
}

fn round(c: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    let p0 = MULTIPLIERS[0] as u64 * c[0] as u64;
    let p1 = MULTIPLIERS[1] as u64 * c[2] as u64;
    [(p1 >> 32) as u32 ^ c[1] ^ key[0], p1 as u32, (p0 >> 32) as u32 ^ c[3] ^ key[1], p0 as u32]
}

/// What `Op::Philox` gives.
pub fn draw(key: u64, shape: &[usize], seed: i64, step: i64) -> Array {
    let word = |i: usize| {
        let counter = [(i / 4) as u32, step as u32, key as u32, (key >> 32) as u32];
        block(counter, [seed as u32, KEY_HIGH])[i % 4] as i32 as i64
    };
    Array::int(shape, (0..shape.iter().product()).map(word).collect())
}

#[cfg(test)]
mod tests {
    use super::block;

    /// The known answers that the Random123 library ships (`kat_vectors`).
    #[test]
    fn known_answers() {
        assert_eq!(block([0; 4], [0; 2]), [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
        assert_eq!(block([!0; 4], [!0; 2]), [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]);
        let pi = [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344];
        assert_eq!(block(pi, [0xa4093822, 0x299f31d0]), [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1]);
    }
}
