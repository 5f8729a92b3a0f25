//! Mass: whole grams, never a float (rules.md §1 in the design; the SI prefix is the only unit used).

use crate::domain::fields::{Field, FieldClass, Malformed, Value, codes, record};
use crate::domain::ids::ScaleId;
use crate::limits::{INTEGER_MAX, WEIGHT_G_MAX};
use std::fmt;

/// A mass of at least 0 and at most 2^53 - 1 grams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Grams(i64);

impl Grams {
    /// No mass.
    pub const ZERO: Self = Self(0);

    /// Accepts 0 to 2^53 - 1.
    pub fn new(grams: i64) -> Option<Self> {
        (0..=INTEGER_MAX).contains(&grams).then_some(Self(grams))
    }

    /// The grams as a signed number, for movements.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// The sum, unless it leaves the range.
    pub fn plus(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).and_then(Self::new)
    }

    /// The difference, unless it is negative.
    pub fn minus(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).and_then(Self::new)
    }
}

/// Another mass in the proportion of some masses, by largest remainder; ties go to the one that stands first. Of nothing there
/// is no proportion: then every part is 0 g.
pub(crate) fn apportion(parts: &[Grams], to: Grams) -> Vec<Grams> {
    let total: i128 = parts.iter().map(|part| i128::from(part.0)).sum();
    if total == 0 {
        return vec![Grams::ZERO; parts.len()];
    }
    let exact = |part: &Grams| i128::from(part.0) * i128::from(to.0);
    let mut shares: Vec<(i128, i128)> = parts.iter().map(|part| (exact(part) / total, exact(part) % total)).collect();
    let mut left = i128::from(to.0) - shares.iter().map(|(grams, _)| grams).sum::<i128>();
    let mut by_remainder: Vec<usize> = (0..shares.len()).collect();
    // A stable sort, so that equal remainders stay in their order.
    by_remainder.sort_by_key(|at| -shares[*at].1);
    for at in by_remainder {
        if left == 0 {
            break;
        }
        shares[at].0 += 1;
        left -= 1;
    }
    // A share is never more than the mass that was apportioned.
    shares.iter().map(|(grams, _)| i64::try_from(*grams).map_or(to, Grams)).collect()
}

/// A mass that may be negative: what is left of a batch while its scales do not agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct SignedGrams(pub i64);

impl Field for SignedGrams {
    const CLASS: FieldClass = FieldClass::Quantity;

    fn read(value: &Value) -> Result<Self, Malformed> {
        match value {
            Value::Integer(grams) => Ok(Self(*grams)),
            _ => Err(Malformed::here("expected whole grams")),
        }
    }

    fn write(&self) -> Option<Value> {
        Some(Value::Integer(self.0))
    }
}

impl fmt::Display for Grams {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} g", self.0)
    }
}

impl Field for Grams {
    const CLASS: FieldClass = FieldClass::Quantity;

    fn read(value: &Value) -> Result<Self, Malformed> {
        let grams = match value {
            Value::Integer(number) => Self::new(*number),
            _ => None,
        };
        grams.ok_or_else(|| Malformed::here("expected whole grams, 0 or more"))
    }

    fn write(&self) -> Option<Value> {
        Some(Value::Integer(self.0))
    }
}

codes! {
    /// What a weight rests on. Only weighed mass can ever back a certificate.
    pub enum WeightBasis {
        /// Read from a registered scale.
        Weighed = "weighed",
        /// The mean of the product class, from the rule set.
        Class = "class",
        /// Anything else.
        Estimated = "estimated",
    }
}

record! {
    /// A weight as it is stated.
    pub struct Weight {
        /// What it rests on; decides which of the other fields belong here.
        basis: WeightBasis,
        /// `weighed`: what the scale showed, container included.
        gross_g: Option<Grams>,
        /// `weighed`: the empty container, measured; 0 where there is none.
        tare_g: Option<Grams>,
        /// `weighed`: the registered scale.
        scale: Option<ScaleId>,
        /// `estimated`: the net mass.
        net_g: Option<Grams>,
    }
}

impl Weight {
    /// The stated net mass, or `None` for `class`, which the rule set answers.
    ///
    /// Refused is a field that does not belong to the basis, one that is missing, and a net mass of 0 or beyond 1,000 t.
    pub fn net(&self) -> Result<Option<Grams>, Malformed> {
        let fields = (self.gross_g, self.tare_g, self.scale, self.net_g);
        let net = match (self.basis, fields) {
            (WeightBasis::Weighed, (Some(gross), Some(tare), Some(_), None)) => {
                let problem = "the tare is heavier than the gross weight";
                Some(gross.minus(tare).ok_or_else(|| Malformed::here(problem))?)
            }
            (WeightBasis::Estimated, (None, None, None, Some(net))) => Some(net),
            (WeightBasis::Class, (None, None, None, None)) => None,
            (WeightBasis::Weighed, _) => return Err(Malformed::here("weighed takes gross_g, tare_g and scale")),
            (WeightBasis::Estimated, _) => return Err(Malformed::here("estimated takes net_g alone")),
            (WeightBasis::Class, _) => return Err(Malformed::here("class takes no other field")),
        };
        match net {
            Some(Grams::ZERO) => Err(Malformed::here("a mass of 0 g is no item")),
            Some(net) if net.get() > WEIGHT_G_MAX => Err(Malformed::here("one weight is at most 1000000000 g")),
            net => Ok(net),
        }
    }
}
