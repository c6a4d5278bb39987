//! Named limits of decoding, and what is left of them during one request.

use std::cell::Cell;

use crate::error::DecodeError;

/// How much a decoder takes before it refuses a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodeLimits {
    /// Deepest nesting of lists, maps and structures.
    pub depth_max: usize,
    /// Most values (list elements, map entries, structure members) in one request.
    pub values_max: usize,
    /// Largest body in bytes.
    pub body_size_bytes_max: usize,
}

impl Default for DecodeLimits {
    fn default() -> Self {
        DecodeLimits { depth_max: 64, values_max: 200_000, body_size_bytes_max: 16 * 1024 * 1024 }
    }
}

/// What one request may still use.
#[derive(Debug)]
pub(crate) struct Budget {
    limits: DecodeLimits,
    values_left: Cell<usize>,
}

impl Budget {
    pub(crate) fn new(limits: DecodeLimits) -> Budget {
        Budget { limits, values_left: Cell::new(limits.values_max) }
    }

    /// Takes one value from the budget.
    pub(crate) fn spend(&self) -> Result<(), DecodeError> {
        match self.values_left.get().checked_sub(1) {
            Some(left) => {
                self.values_left.set(left);
                Ok(())
            }
            None => Err(DecodeError::TooManyValues { values_max: self.limits.values_max }),
        }
    }

    /// Whether a value may be nested `depth` levels deep.
    pub(crate) fn descend(&self, depth: usize) -> Result<(), DecodeError> {
        if depth > self.limits.depth_max {
            return Err(DecodeError::TooDeep { depth_max: self.limits.depth_max });
        }
        Ok(())
    }
}
