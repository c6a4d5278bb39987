//! Parity over the blocks of a group: systematic Reed-Solomon over GF(2^8), with the matrix that most other stores use, so that another
//! library can take this one's place without a change of the bytes. Knows no files.

use rusty_erasure::compat::reed_solomon_erasure_matrix;
use rusty_erasure::{Coder, coder};

use crate::BlobError;

fn failed(reason: impl ToString) -> BlobError {
    BlobError::Io { doing: "computing parity".to_owned(), reason: reason.to_string() }
}

/// The code of a group.
pub(crate) struct Code(Coder);

impl Code {
    /// Of `data` blocks of payload and `parity` of parity.
    pub(crate) fn new(data: usize, parity: usize) -> Result<Self, BlobError> {
        let matrix = reed_solomon_erasure_matrix(data, parity).map_err(failed)?;
        coder(matrix).map(Self).map_err(failed)
    }

    /// Fills the blocks of parity. All blocks have one length.
    pub(crate) fn encode(&self, data: &[&[u8]], parity: &mut [&mut [u8]]) -> Result<(), BlobError> {
        self.0.encode(data, parity).map_err(failed)
    }

    /// The blocks `missing`, from those that are there: as many as there are blocks of payload, or more.
    pub(crate) fn recover(
        &self,
        blocks: &[Option<&[u8]>],
        missing: &[usize],
        block_bytes: usize,
    ) -> Result<Vec<Vec<u8>>, BlobError> {
        let mut recovered = vec![vec![0; block_bytes]; missing.len()];
        let mut into: Vec<&mut [u8]> = recovered.iter_mut().map(Vec::as_mut_slice).collect();
        self.0.recover(blocks, missing, &mut into).map_err(failed)?;
        Ok(recovered)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::contract::pattern;

    /// Multiplication in GF(2^8) modulo x^8 + x^4 + x^3 + x^2 + 1, bit by bit: nothing of the library's.
    fn times(mut a: u8, mut b: u8) -> u8 {
        let mut product = 0;
        while b > 0 {
            if b & 1 == 1 {
                product ^= a;
            }
            a = (a << 1) ^ if a & 0x80 == 0 { 0 } else { 0x1d };
            b >>= 1;
        }
        product
    }

    fn power(base: u8, exponent: usize) -> u8 {
        (0..exponent).fold(1, |value, _| times(value, base))
    }

    fn inverse(a: u8) -> u8 {
        power(a, 254)
    }

    /// Block `at` of the code by its definition: the polynomial of degree below `data.len()` through the payload's blocks at 0, 1, 2, ...
    fn by_definition(data: &[&[u8]], at: u8) -> Vec<u8> {
        let weights: Vec<u8> = (0..data.len())
            .map(|i| {
                (0..data.len())
                    .filter(|j| *j != i)
                    .fold(1, |weight, j| times(weight, times(at ^ j as u8, inverse(i as u8 ^ j as u8))))
            })
            .collect();
        (0..data[0].len())
            .map(|n| data.iter().zip(&weights).fold(0, |sum, (block, weight)| sum ^ times(block[n], *weight)))
            .collect()
    }

    #[test]
    fn parity_is_what_the_definition_says() {
        for (data, parity) in [(1, 2), (2, 4), (7, 4), (20, 4)] {
            let blocks: Vec<_> = (0..data).map(|n| pattern(n as u64, 64)).collect();
            let blocks: Vec<&[u8]> = blocks.iter().map(|block| &block[..]).collect();
            let mut found = vec![vec![0; 64]; parity];
            let mut into: Vec<&mut [u8]> = found.iter_mut().map(Vec::as_mut_slice).collect();
            Code::new(data, parity).unwrap().encode(&blocks, &mut into).unwrap();
            for (n, found) in found.iter().enumerate() {
                assert_eq!(*found, by_definition(&blocks, (data + n) as u8), "{data}+{parity}, parity {n}");
            }
        }
    }

    #[test]
    fn any_four_blocks_of_a_group_can_be_lost() {
        let (data, parity) = (7, 4);
        let code = Code::new(data, parity).unwrap();
        let payload: Vec<_> = (0..data).map(|n| pattern(n as u64, 32).to_vec()).collect();
        let blocks: Vec<&[u8]> = payload.iter().map(Vec::as_slice).collect();
        let mut made = vec![vec![0; 32]; parity];
        let mut into: Vec<&mut [u8]> = made.iter_mut().map(Vec::as_mut_slice).collect();
        code.encode(&blocks, &mut into).unwrap();
        let all: Vec<Vec<u8>> = payload.into_iter().chain(made).collect();
        for lost in 0_u32..1 << all.len() {
            let missing: Vec<usize> = (0..all.len()).filter(|n| lost >> n & 1 == 1).collect();
            let left: Vec<Option<&[u8]>> =
                (0..all.len()).map(|n| (lost >> n & 1 == 0).then(|| all[n].as_slice())).collect();
            match code.recover(&left, &missing, 32) {
                Ok(found) => {
                    assert!(missing.len() <= parity, "{missing:?}");
                    for (n, found) in missing.iter().zip(found) {
                        assert_eq!(found, all[*n], "{missing:?}");
                    }
                }
                Err(_) => assert!(missing.len() > parity, "{missing:?}"),
            }
        }
    }
}
