//! When each call of an open load is due: so many a second, after a ramp in which the rate grows
//! evenly from nothing.

/// A rate, and how it is come up to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Arrivals {
    /// Calls a second in the end.
    pub rate: f64,
    /// How long it takes until then, in seconds.
    pub ramp_s: f64,
}

impl Arrivals {
    /// When the call of that ordinal (from 0) is due, in seconds from the begin.
    ///
    /// Over the ramp, `rate / ramp * t² / 2` calls were due by `t`.
    #[must_use]
    pub fn due_s(&self, ordinal: u64) -> f64 {
        let nth = ordinal as f64;
        let in_ramp = self.rate * self.ramp_s / 2.0;
        if nth < in_ramp {
            (2.0 * nth * self.ramp_s / self.rate).sqrt()
        } else {
            self.ramp_s + (nth - in_ramp) / self.rate
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn without_a_ramp_they_are_evenly_spaced() {
        let arrivals = Arrivals { rate: 4.0, ramp_s: 0.0 };
        assert_eq!([0, 1, 8].map(|ordinal| arrivals.due_s(ordinal)), [0.0, 0.25, 2.0]);
    }

    proptest! {
        #[test]
        fn they_never_go_back_and_reach_their_rate(
            rate in 0.1..1e4_f64, ramp_s in 0.0..60.0_f64, ordinal in 0..1_000_000_u64,
        ) {
            let arrivals = Arrivals { rate, ramp_s };
            let (one, next) = (arrivals.due_s(ordinal), arrivals.due_s(ordinal + 1));
            prop_assert!(one.is_finite() && next > one);
            if one > ramp_s {
                prop_assert!((next - one - 1.0 / rate).abs() < 1e-6);
            }
        }
    }
}
