//! The checksum of a file.

/// CRC-32 (the one of Ethernet and zip) of the bytes behind the checksum.
pub(super) fn checksum(bytes: &[u8]) -> u32 {
    // Half a byte at a time: a table for whole ones would be a kilobyte of flash.
    let half = |sum: u32| sum >> 4 ^ TABLE[sum as usize & 15];
    !bytes.iter().fold(u32::MAX, |sum, byte| half(half(sum ^ u32::from(*byte))))
}

/// What the last four bits of a sum do to the others. Not a constant, which would be copied to the stack.
static TABLE: [u32; 16] = table();

const fn table() -> [u32; 16] {
    let (mut table, mut index) = ([0; 16], 0);
    while index < 16 {
        let (mut sum, mut bit) = (index as u32, 0);
        while bit < 4 {
            sum = if sum & 1 == 1 { sum >> 1 ^ 0xedb8_8320 } else { sum >> 1 };
            bit += 1;
        }
        table[index] = sum;
        index += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::checksum;

    #[test]
    fn is_crc_32() {
        // The check value of the catalogue of CRC algorithms.
        assert_eq!(checksum(b"123456789"), 0xcbf4_3926);
        assert_eq!(checksum(b""), 0);
    }
}
