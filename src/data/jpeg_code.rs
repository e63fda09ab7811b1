//! The Huffman code of a sequential JPEG, read fast: several bytes at once, a coefficient with a
//! single look into a table, and blocks whose pixels nobody needs two coefficients at a time.
//!
//! After ITU-T T.81, annex F.2.2; damaged code is read and refused as libjpeg-turbo does.

use crate::Result;
use libjpeg_turbo_rs::common::error::JpegError;
use libjpeg_turbo_rs::common::huffman_table::HuffmanTable;
use libjpeg_turbo_rs::common::quant_table::ZIGZAG_ORDER;

/// The coefficients of a block, in the order of its rows.
pub(super) type Coefficients = [i16; 64];

/// The next bits of the code, the first one highest. Loops work on a copy, which stays in
/// registers as long as no function takes its address.
#[derive(Clone, Copy)]
pub(super) struct Bits<'a> {
    data: &'a [u8],
    at: usize,
    buffer: u64,
    /// How many bits of the buffer count; those below are either 0 or what follows.
    count: u32,
    /// How many of these, the last ones, are no data: a marker or the end came before.
    missing: u32,
}

impl<'a> Bits<'a> {
    pub fn new(data: &'a [u8]) -> Bits<'a> {
        Bits {
            data,
            at: 0,
            buffer: 0,
            count: 0,
            missing: 0,
        }
    }

    /// Makes at least 48 bits count.
    #[inline(always)]
    fn refill(&mut self) {
        if let Some(next) = self.data.get(self.at..self.at + 8) {
            let next = u64::from_be_bytes(next.try_into().expect("these are eight bytes"));
            if !has_ff(next) {
                let bytes = (63 - self.count) / 8;
                self.buffer |= next >> self.count;
                self.at += bytes as usize;
                self.count += 8 * bytes;
                return;
            }
        }
        *self = self.refilled_by_bytes();
    }

    #[cold]
    #[inline(never)]
    fn refilled_by_bytes(mut self) -> Self {
        while self.count <= 56 {
            let byte = match self.data.get(self.at) {
                Some(0xff) => {
                    // Any number of these may stand before a marker or the 0 that makes it data.
                    let fill = self.data[self.at..].iter().take_while(|&&b| b == 0xff);
                    let end = self.at + fill.count();
                    let is_data = self.data.get(end) == Some(&0);
                    self.at = if is_data { end + 1 } else { end - 1 };
                    is_data.then_some(0xff)
                }
                Some(&byte) => {
                    self.at += 1;
                    Some(byte)
                }
                None => None,
            };
            match byte {
                Some(byte) => self.buffer |= u64::from(byte) << (56 - self.count),
                None => self.missing += 8,
            }
            self.count += 8;
        }
        self
    }

    #[inline(always)]
    fn skip(&mut self, bits: u32) {
        self.buffer <<= bits;
        self.count -= bits;
    }

    /// The next `bits`, at least one and at most 16, as the number that they stand for: T.81's
    /// EXTEND.
    #[inline(always)]
    fn number(&mut self, bits: u32) -> i32 {
        let value = (self.buffer >> (64 - bits)) as i32;
        self.skip(bits);
        extend(value, bits)
    }

    /// Whether more was read than there is.
    pub fn is_short(&self) -> bool {
        self.count < self.missing
    }

    /// Goes on behind the next restart marker, if that is the next marker.
    pub fn restart(&mut self) {
        let was_short = self.is_short();
        (self.buffer, self.count) = (0, 0);
        self.missing = u32::from(was_short);
        while let Some(&[byte, next]) = self.data.get(self.at..).and_then(<[u8]>::first_chunk) {
            self.at += match (byte, next) {
                (0xff, 0xd0..=0xd7) => {
                    self.missing = 0;
                    self.at += 2;
                    return;
                }
                (0xff, 0x00) => 2,
                (0xff, 0x01..=0xfe) => return,
                _ => 1,
            };
        }
    }
}

/// Whether one of the eight bytes is FF.
#[inline(always)]
fn has_ff(bytes: u64) -> bool {
    const LOW: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    // An FF is a 0 of the complement; the usual test for a zero byte.
    (!bytes).wrapping_sub(LOW) & bytes & HIGH != 0
}

#[inline(always)]
fn extend(value: i32, bits: u32) -> i32 {
    match value < 1 << (bits - 1) {
        true => value - (1 << bits) + 1,
        false => value,
    }
}

/// Bits that a look into a table takes: as many as `HuffmanTable::lookup_fast` knows. More would
/// find more numbers, but tables are made for each picture.
const LOOK: u32 = 10;

/// The coefficients of a block in the order of the code. Damaged code may name up to 16 more,
/// which are the last one, as in libjpeg-turbo.
const PLACES: [u8; 80] = {
    let mut places = [63; 80];
    let mut i = 0;
    while i < 64 {
        places[i] = ZIGZAG_ORDER[i] as u8;
        i += 1;
    }
    places
};

/// A table of a JPEG, and what follows from it for each of the next `LOOK` bits.
pub(super) struct Table<'a> {
    table: &'a HuffmanTable,
    reads: Box<[Read; 1 << LOOK]>,
    passes: Box<[Pass; 1 << LOOK]>,
}

/// A code and the number behind it, as far as `LOOK` bits tell.
#[derive(Clone, Copy, Default)]
#[repr(align(8))]
struct Read {
    /// The number, if these bits hold it: then it is not 0.
    value: i16,
    /// The zeros before the number.
    run: u8,
    /// The bits of the number.
    size: u8,
    /// The bits of the code, 0 where it is longer; and of both.
    code_bits: u8,
    bits: u8,
}

/// How many coefficients and bits one code passes over, and that and the next one together.
/// One that ends the block passes over all that a block has.
#[derive(Clone, Copy, Default)]
#[repr(align(4))]
struct Pass {
    one: u8,
    one_bits: u8,
    two: u8,
    two_bits: u8,
}

impl Read {
    fn new(table: &HuffmanTable, look: u32) -> Read {
        let (symbol, code_bits) = table.lookup_fast((look << (16 - LOOK)) as u16);
        if code_bits == 0 {
            return Read::default();
        }
        let (run, size) = (symbol >> 4, symbol & 15);
        let bits = code_bits + size;
        let value = match LOOK.checked_sub(u32::from(bits)) {
            Some(rest) if size > 0 => {
                let number = (look >> rest) & ((1 << size) - 1);
                extend(number as i32, u32::from(size))
            }
            _ => 0,
        };
        Read {
            value: value as i16,
            run,
            size,
            code_bits,
            bits,
        }
    }

    /// The coefficients that it passes over.
    fn length(self) -> u8 {
        match (self.run, self.size) {
            (15, 0) => 16,
            (_, 0) => 64,
            (run, _) => run + 1,
        }
    }
}

impl<'a> Table<'a> {
    pub fn new(table: &'a HuffmanTable) -> Table<'a> {
        let reads: Box<[Read; 1 << LOOK]> =
            Box::new(std::array::from_fn(|look| Read::new(table, look as u32)));
        let passes = Box::new(std::array::from_fn(|look| {
            let one = reads[look];
            if one.code_bits == 0 {
                return Pass::default();
            }
            // Of the bits behind the first number, the missing ones are taken for 0.
            let two = reads[(look << one.bits) & ((1 << LOOK) - 1)];
            let is_known = two.code_bits > 0 && u32::from(one.bits + two.code_bits) <= LOOK;
            let two = if is_known { two } else { Read::default() };
            Pass {
                one: one.length(),
                one_bits: one.bits,
                two: one.length() + if is_known { two.length() } else { 0 },
                two_bits: one.bits + two.bits,
            }
        }));
        Table {
            table,
            reads,
            passes,
        }
    }

    /// What `code` begins with, of any length: zeros, the size of the number behind it, and its
    /// own.
    #[cold]
    #[inline(never)]
    fn long_code(&self, code: u64) -> Result<(u32, u32, u32), JpegError> {
        let (symbol, length) = self.table.lookup((code >> 48) as u16)?;
        Ok((
            u32::from(symbol >> 4),
            u32::from(symbol & 15),
            u32::from(length),
        ))
    }
}

/// The tables of one component.
pub(super) struct Tables<'a> {
    pub dc: &'a HuffmanTable,
    pub ac: Table<'a>,
}

impl Tables<'_> {
    /// The mean of the next block, which is coded as the difference to the `previous` one.
    #[inline(always)]
    fn mean(&self, bits: &mut Bits, previous: &mut i16) -> Result<(), JpegError> {
        bits.refill();
        let (size, length) = self.dc.lookup((bits.buffer >> 48) as u16)?;
        bits.skip(u32::from(length));
        match size {
            0 => {}
            1..=15 => *previous = previous.wrapping_add(bits.number(u32::from(size)) as i16),
            _ => return Err(JpegError::CorruptData("a mean has too many bits".into())),
        }
        Ok(())
    }

    /// Reads a block into `block`, which is all 0. Says whether it is more than its mean.
    pub fn read(
        &self,
        from: &mut Bits,
        previous: &mut i16,
        block: &mut Coefficients,
    ) -> Result<bool, JpegError> {
        let mut bits = *from;
        self.mean(&mut bits, previous)?;
        block[0] = *previous;
        let mut k = 1;
        while k < 64 {
            if bits.count < 32 {
                bits.refill();
            }
            let look = self.ac.reads[(bits.buffer >> (64 - LOOK)) as usize];
            if look.value != 0 {
                bits.skip(u32::from(look.bits));
                k += usize::from(look.run);
                block[usize::from(PLACES[k])] = look.value;
                k += 1;
                continue;
            }
            let (run, size, length) = match look.code_bits {
                0 => self.ac.long_code(bits.buffer)?,
                length => (look.run.into(), look.size.into(), length.into()),
            };
            bits.skip(length);
            match (run, size) {
                (15, 0) => k += 16,
                (_, 0) => break,
                _ => {
                    k += run as usize;
                    block[usize::from(PLACES[k])] = bits.number(size) as i16;
                    k += 1;
                }
            }
        }
        *from = bits;
        Ok(k > 1)
    }

    /// Passes over a block of which nothing is needed but the mean, for the next one.
    pub fn pass(&self, from: &mut Bits, previous: &mut i16) -> Result<(), JpegError> {
        let mut bits = *from;
        self.mean(&mut bits, previous)?;
        let mut k = 1;
        while k < 64 {
            if bits.count < 32 {
                bits.refill();
            }
            let look = self.ac.passes[(bits.buffer >> (64 - LOOK)) as usize];
            if look.one == 0 {
                let (run, size, length) = self.ac.long_code(bits.buffer)?;
                bits.skip(length + size);
                match (run, size) {
                    (15, 0) => k += 16,
                    (_, 0) => break,
                    _ => k += run + 1,
                }
            } else if k + u32::from(look.one) < 64 {
                bits.skip(look.two_bits.into());
                k += u32::from(look.two);
            } else {
                bits.skip(look.one_bits.into());
                break;
            }
        }
        *from = bits;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_extended_as_the_standard_says() {
        let table: Vec<i32> = (0..8).map(|value| extend(value, 3)).collect();
        assert_eq!(table, [-7, -6, -5, -4, 4, 5, 6, 7]);
        assert_eq!([extend(0, 1), extend(1, 1)], [-1, 1]);
    }

    #[test]
    fn an_ff_is_found_wherever_it_stands() {
        assert!(!has_ff(0xfe7f_80fe_0001_017f));
        for at in 0..8 {
            assert!(has_ff(0xff << (8 * at)));
            assert!(!has_ff(0xfe << (8 * at)));
        }
    }

    /// Against the plain rule: a 0 behind an FF is no data, and behind a marker there is none.
    #[test]
    fn bits_come_in_order_with_stuffing_and_markers() {
        let mut data = Vec::new();
        let mut expected = Vec::new();
        for i in 0..200_u32 {
            let byte = (i * 37 % 251) as u8;
            let byte = if i % 9 == 4 { 0xff } else { byte };
            data.push(byte);
            expected.push(byte);
            if byte == 0xff {
                data.push(0);
            }
        }
        data.extend([0xff, 0xff, 0xd3]);
        let mut bits = Bits::new(&data);
        for byte in expected {
            if bits.count < 32 {
                bits.refill();
            }
            assert_eq!((bits.buffer >> 56) as u8, byte);
            assert!(!bits.is_short());
            bits.skip(8);
        }
        bits.refill();
        bits.skip(1);
        assert!(bits.is_short());
        bits.restart();
        assert!(!bits.is_short());
        assert_eq!(bits.at, data.len());
        bits.restart();
        assert!(!bits.is_short());
    }
}
