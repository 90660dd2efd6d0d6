//! Axes: from a figure to its place, and the round figures that are written beside it.

/// A linear axis from zero.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Axis {
    most: f64,
    /// The figures that are written, from 0 up.
    pub(super) ticks: Vec<f64>,
}

impl Axis {
    /// An axis that reaches to `most` exactly, with some `ticks` round figures.
    pub(super) fn exact(most: f64, ticks: u32, units: &[f64]) -> Self {
        let most = if most.is_finite() && most > 0.0 { most } else { 1.0 };
        let step = step(most / f64::from(ticks), units);
        let ticks = (0..=20)
            .map(|n| f64::from(n) * step)
            .take_while(|tick| *tick <= most * 1.0001)
            .collect();
        Self { most, ticks }
    }

    /// An axis that reaches to the first round figure from `most` up.
    pub(super) fn rounded(most: f64, ticks: u32, units: &[f64]) -> Self {
        let most = if most.is_finite() && most > 0.0 { most } else { 1.0 };
        let step = step(most / f64::from(ticks), units);
        let top = (most / step - 1e-9).ceil().max(1.0) * step;
        Self::exact(top, ticks, units)
    }

    /// Where a figure stands, from 0 to 1.
    pub(super) fn place(&self, figure: f64) -> f64 {
        (figure / self.most).clamp(0.0, 1.0)
    }
}

/// The smallest round step that is at least `least`: of `units` times a power of ten, or of 1, 2, 5.
fn step(least: f64, units: &[f64]) -> f64 {
    if let Some(unit) = units.iter().find(|unit| **unit >= least) {
        return *unit;
    }
    let base = units.last().copied().unwrap_or(1.0);
    let least = least / base;
    let ten = 10_f64.powf(least.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * ten);
    base * steps.into_iter().find(|step| *step >= least * 0.9999).unwrap_or(10.0 * ten)
}

/// Steps of time that read well, in seconds: from a tenth to a day.
pub(super) const TIMES: [f64; 22] = [
    0.001, 0.01, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0,
    1800.0, 3600.0, 7200.0, 14_400.0, 43_200.0, 86_400.0,
];

const KIB: f64 = 1024.0;
const MIB: f64 = 1024.0 * KIB;

/// Steps of memory that read well, in bytes.
pub(super) const MEMORY: [f64; 12] = [
    256.0 * KIB,
    512.0 * KIB,
    MIB,
    2.0 * MIB,
    5.0 * MIB,
    10.0 * MIB,
    20.0 * MIB,
    50.0 * MIB,
    100.0 * MIB,
    256.0 * MIB,
    512.0 * MIB,
    1024.0 * MIB,
];

/// An axis of powers of ten.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Decades {
    from: i32,
    to: i32,
}

impl Decades {
    /// An axis on which all of `figures` have a place; those that are not above 0 stand at its left.
    pub(super) fn over(figures: impl IntoIterator<Item = f64>) -> Self {
        let logs: Vec<f64> = figures
            .into_iter()
            .filter(|figure| *figure > 0.0 && figure.is_finite())
            .map(f64::log10)
            .collect();
        let from = logs.iter().copied().fold(f64::INFINITY, f64::min);
        let to = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if logs.is_empty() {
            return Self { from: 0, to: 1 };
        }
        // Between 10^-6 and 10^12 a cast cannot go wrong.
        let (from, to) = (from.clamp(-6.0, 12.0), to.clamp(-6.0, 12.0));
        let (from, to) = ((from + 1e-9).floor() as i32, (to - 1e-9).ceil() as i32);
        Self { from, to: to.max(from + 1) }
    }

    /// The powers of ten, at most 7 of them.
    pub(super) fn ticks(&self) -> Vec<f64> {
        let every = ((self.to - self.from) / 7 + 1).unsigned_abs() as usize;
        (self.from..=self.to).step_by(every).map(|power| 10_f64.powi(power)).collect()
    }

    /// Where a figure stands, from 0 to 1.
    pub(super) fn place(&self, figure: f64) -> f64 {
        if figure <= 0.0 {
            return 0.0;
        }
        ((figure.log10() - f64::from(self.from)) / f64::from(self.to - self.from)).clamp(0.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_few() {
        assert_eq!(Axis::exact(61.0, 5, &TIMES).ticks, [0.0, 15.0, 30.0, 45.0, 60.0]);
        assert_eq!(Axis::exact(3600.0, 5, &TIMES).ticks, [0.0, 900.0, 1800.0, 2700.0, 3600.0]);
        assert_eq!(Axis::rounded(37.0, 4, &[]).ticks, [0.0, 10.0, 20.0, 30.0, 40.0]);
        for most in [1e-9, 0.003, 0.7, 13.0, 100.0, 5e4, 3e7, 1e9] {
            let ticks = Axis::rounded(most, 5, &TIMES).ticks;
            assert!((2..=7).contains(&ticks.len()), "{most}: {ticks:?}");
        }
    }

    #[test]
    fn nothing_falls_off_an_axis() {
        let axis = Axis::rounded(f64::NAN, 4, &[]);
        assert_eq!((axis.place(-1.0), axis.place(9.0)), (0.0, 1.0));
        let decades = Decades::over([0.4, 230.0]);
        assert_eq!(decades.ticks(), [0.1, 1.0, 10.0, 100.0, 1000.0]);
        assert!((decades.place(10.0) - 0.5).abs() < 1e-9);
        assert_eq!((decades.place(0.0), decades.place(1e9)), (0.0, 1.0));
        assert_eq!(Decades::over([1.0]).ticks(), [1.0, 10.0]);
        assert!(Decades::over([1e-300, 1e300]).ticks().len() <= 7);
    }
}
