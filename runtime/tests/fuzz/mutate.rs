//! Small changes to bytes.

/// SplitMix64 (Steele, Lea and Flood, 2014).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, 0 if that is 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    /// True once in `count` times.
    pub(crate) fn once_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }
}

/// Numbers at which programs go wrong.
const EXTREMES: [u64; 10] = [0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFF_FFFF, u64::MAX];

/// Changes `bytes` in one to five ways, with pieces of another input and words that mean something to the reader.
pub(crate) fn mutate(bytes: &mut Vec<u8>, other: &[u8], words: &[&str], random: &mut Random) {
    for _ in 0..=random.below(5) {
        let at = place(bytes.len(), random);
        let span = at..bytes.len().min(at + 1 + random.below(24));
        match random.below(10) {
            0 if !bytes.is_empty() => bytes[at] ^= 1 << random.below(8),
            1 if !bytes.is_empty() => bytes[at] = random.next() as u8,
            2 | 3 => {
                let number = EXTREMES[random.below(EXTREMES.len())].to_le_bytes();
                let len = [1, 2, 4, 8][random.below(4)].min(bytes.len() - at);
                bytes[at..at + len].copy_from_slice(&number[..len]);
            }
            4 => drop(bytes.drain(span)),
            5 => {
                let copy = bytes[span].to_vec();
                bytes.splice(at..at, copy);
            }
            6 => {
                let from = random.below(other.len());
                let to = other.len().min(from + 1 + random.below(40));
                bytes.splice(span, other[from..to].iter().copied());
            }
            7 | 8 if !words.is_empty() => {
                let word = words[random.below(words.len())].bytes();
                let gone = if random.once_in(2) { span } else { at..at };
                bytes.splice(gone, word);
            }
            9 if random.once_in(4) => bytes.truncate(at),
            _ => {
                let noise = [random.next() as u8, random.next() as u8];
                bytes.splice(at..at, noise);
            }
        }
    }
}

/// A place in the input; half of them where headers are.
fn place(len: usize, random: &mut Random) -> usize {
    let end = if random.once_in(2) { len.min(64) } else { len };
    random.below(end)
}
