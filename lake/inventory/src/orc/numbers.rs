//! Run-length encodings, read: bytes, flags, and both versions of unsigned numbers. What a file says of itself is not believed: no length
//! in it makes anything large.

use std::collections::VecDeque;
use std::io::{Error, ErrorKind, Read, Result};

pub(crate) fn corrupt(reason: &'static str) -> Error {
    Error::new(ErrorKind::InvalidData, reason)
}

fn byte(from: &mut impl Read) -> Result<u8> {
    let mut byte = [0];
    from.read_exact(&mut byte)?;
    Ok(byte[0])
}

pub(crate) fn varint(from: &mut impl Read) -> Result<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = byte(from)?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(corrupt("a number has more than 64 bits"))
}

fn unfolded(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// Flags, eight to a byte, in runs of bytes.
pub(crate) struct Flags<R> {
    from: R,
    /// Bytes of the run that are left, and whether they are all the same one.
    left: usize,
    same: Option<u8>,
    bits: u8,
    bits_left: u8,
}

impl<R: Read> Flags<R> {
    pub(crate) fn new(from: R) -> Self {
        Self { from, left: 0, same: None, bits: 0, bits_left: 0 }
    }

    pub(crate) fn next(&mut self) -> Result<bool> {
        if self.bits_left == 0 {
            if self.left == 0 {
                let control = byte(&mut self.from)?;
                (self.left, self.same) = match control {
                    0..0x80 => (usize::from(control) + 3, Some(byte(&mut self.from)?)),
                    0x80.. => (256 - usize::from(control), None),
                };
            }
            self.left -= 1;
            self.bits = match self.same {
                Some(byte) => byte,
                None => byte(&mut self.from)?,
            };
            self.bits_left = 8;
        }
        self.bits_left -= 1;
        Ok(self.bits >> self.bits_left & 1 == 1)
    }
}

/// Unsigned numbers.
pub(crate) struct Numbers<R> {
    from: R,
    is_second_version: bool,
    /// Of the run; it has at most 512.
    ready: VecDeque<u64>,
}

/// Bits that lie one behind the other.
struct Bits<'a, R> {
    from: &'a mut R,
    byte: u8,
    left: u32,
}

impl<R: Read> Bits<'_, R> {
    fn take(&mut self, width: u32) -> Result<u64> {
        let mut value = 0_u64;
        let mut missing = width;
        while missing > 0 {
            if self.left == 0 {
                (self.byte, self.left) = (byte(self.from)?, 8);
            }
            let some = missing.min(self.left);
            let bits = u64::from(self.byte) >> (self.left - some) & ((1 << some) - 1);
            value = value.checked_shl(some).unwrap_or(0) | bits;
            (self.left, missing) = (self.left - some, missing - some);
        }
        Ok(value)
    }
}

/// How wide numbers are, by five bits.
fn width(code: u8) -> u32 {
    match code {
        0..=23 => u32::from(code) + 1,
        24 => 26,
        25 => 28,
        26 => 30,
        27 => 32,
        28 => 40,
        29 => 48,
        30 => 56,
        31.. => 64,
    }
}

/// The least width that holds so many bits.
fn fitting_width(bits: u32) -> u32 {
    (0..=31).map(width).find(|width| *width >= bits).unwrap_or(64)
}

impl<R: Read> Numbers<R> {
    pub(crate) fn new(from: R, is_second_version: bool) -> Self {
        Self { from, is_second_version, ready: VecDeque::new() }
    }

    pub(crate) fn next(&mut self) -> Result<u64> {
        loop {
            if let Some(next) = self.ready.pop_front() {
                return Ok(next);
            }
            match self.is_second_version {
                false => self.first_version()?,
                true => self.second_version()?,
            }
        }
    }

    fn first_version(&mut self) -> Result<()> {
        let control = byte(&mut self.from)?;
        if control >= 0x80 {
            for _ in 0..256 - u16::from(control) {
                self.ready.push_back(varint(&mut self.from)?);
            }
            return Ok(());
        }
        let delta = i64::from(byte(&mut self.from)? as i8);
        let mut value = varint(&mut self.from)?;
        for _ in 0..u16::from(control) + 3 {
            self.ready.push_back(value);
            value = value.wrapping_add_signed(delta);
        }
        Ok(())
    }

    fn second_version(&mut self) -> Result<()> {
        let first = byte(&mut self.from)?;
        if first >> 6 == 0 {
            // The same number some times.
            let mut value = 0;
            for _ in 0..=(first >> 3 & 7) {
                value = value << 8 | u64::from(byte(&mut self.from)?);
            }
            self.ready.extend(std::iter::repeat_n(value, usize::from(first & 7) + 3));
            return Ok(());
        }
        let code = first >> 1 & 0x1f;
        let count = (usize::from(first & 1) << 8 | usize::from(byte(&mut self.from)?)) + 1;
        match first >> 6 {
            1 => self.direct(width(code), count),
            2 => self.patched(width(code), count),
            _ => self.deltas(if code == 0 { 0 } else { width(code) }, count),
        }
    }

    fn bits(&mut self) -> Bits<'_, R> {
        Bits { from: &mut self.from, byte: 0, left: 0 }
    }

    fn direct(&mut self, width: u32, count: usize) -> Result<()> {
        let mut bits = self.bits();
        let values = (0..count).map(|_| bits.take(width)).collect::<Result<Vec<_>>>()?;
        self.ready.extend(values);
        Ok(())
    }

    /// Numbers above a base; the highest bits of some lie behind the others.
    fn patched(&mut self, value_width: u32, count: usize) -> Result<()> {
        let (third, fourth) = (byte(&mut self.from)?, byte(&mut self.from)?);
        let (base_size, patch_width) = (u32::from(third >> 5) + 1, width(third & 0x1f));
        let (gap_width, patches) = (u32::from(fourth >> 5) + 1, usize::from(fourth & 0x1f));
        let mut base = 0_u64;
        for _ in 0..base_size {
            base = base << 8 | u64::from(byte(&mut self.from)?);
        }
        let sign = 1_u64 << (base_size * 8 - 1);
        if base & sign != 0 {
            return Err(corrupt("a length is negative"));
        }
        let mut bits = self.bits();
        let mut values = (0..count).map(|_| bits.take(value_width)).collect::<Result<Vec<_>>>()?;
        let patch_size = fitting_width(patch_width + gap_width);
        let mut bits = self.bits();
        let mut at = 0_usize;
        for _ in 0..patches {
            let entry = bits.take(patch_size)?;
            let mask = 1_u64.checked_shl(patch_width).map_or(u64::MAX, |bit| bit - 1);
            let (gap, patch) = (entry.checked_shr(patch_width).unwrap_or(0), entry & mask);
            at = at.saturating_add(usize::try_from(gap).unwrap_or(usize::MAX));
            // A gap that is too long for one entry goes on in the next.
            if gap == 255 && patch == 0 {
                continue;
            }
            let value = values.get_mut(at).ok_or_else(|| corrupt("a patch is for no number"))?;
            *value |= patch.checked_shl(value_width).unwrap_or(0);
        }
        self.ready.extend(values.into_iter().map(|value| value.wrapping_add(base)));
        Ok(())
    }

    /// A number, and what each of the others is more or less than the one before.
    fn deltas(&mut self, width: u32, count: usize) -> Result<()> {
        let base = varint(&mut self.from)?;
        let first = unfolded(varint(&mut self.from)?);
        let mut values = Vec::with_capacity(count);
        values.push(base);
        let mut last = base.wrapping_add_signed(first);
        if count > 1 {
            values.push(last);
        }
        let mut bits = self.bits();
        for _ in 2..count {
            last = match width {
                0 => last.wrapping_add_signed(first),
                width if first < 0 => last.wrapping_sub(bits.take(width)?),
                width => last.wrapping_add(bits.take(width)?),
            };
            values.push(last);
        }
        self.ready.extend(values);
        Ok(())
    }
}
