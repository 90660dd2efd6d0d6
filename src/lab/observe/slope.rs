//! Whether something grows: a line through the samples, and how sure it is.

/// Into how many blocks samples are averaged, at most.
const BLOCKS: usize = 20;

/// A line's slope and its standard error, per second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slope {
    /// How much is added each second.
    pub per_second: f64,
    /// The standard error of that.
    pub error: f64,
}

/// The least-squares line through points of time and value; `None` with fewer than three, or all at
/// one time.
#[must_use]
pub fn slope(points: &[(f64, f64)]) -> Option<Slope> {
    let count = points.len() as f64;
    if points.len() < 3 {
        return None;
    }
    let mean = |values: fn(&(f64, f64)) -> f64| points.iter().map(values).sum::<f64>() / count;
    let (middle, level) = (mean(|point| point.0), mean(|point| point.1));
    let spread: f64 = points.iter().map(|(at, _)| (at - middle).powi(2)).sum();
    if spread <= f64::EPSILON {
        return None;
    }
    let together: f64 = points.iter().map(|(at, value)| (at - middle) * (value - level)).sum();
    let per_second = together / spread;
    let off = |(at, value): &(f64, f64)| value - level - per_second * (at - middle);
    let rest: f64 = points.iter().map(|point| off(point).powi(2)).sum();
    Some(Slope { per_second, error: (rest / (count - 2.0) / spread).sqrt() })
}

/// The same for samples taken one after the other: without the first tenth, in which a process
/// warms up, and averaged into blocks, as samples next to each other err alike.
#[must_use]
pub fn steady_slope(points: &[(f64, f64)]) -> Option<Slope> {
    let steady = points.get(points.len() / 10..)?;
    let each = steady.len().div_ceil(BLOCKS).max(1);
    let blocks: Vec<(f64, f64)> = steady.chunks(each).map(mean).collect();
    slope(&blocks)
}

fn mean(points: &[(f64, f64)]) -> (f64, f64) {
    let count = points.len() as f64;
    let sum = points.iter().fold((0.0, 0.0), |sum, point| (sum.0 + point.0, sum.1 + point.1));
    (sum.0 / count, sum.1 / count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn too_little_says_nothing() {
        assert_eq!(slope(&[(0.0, 1.0), (1.0, 2.0)]), None);
        assert_eq!(slope(&[(1.0, 1.0), (1.0, 2.0), (1.0, 3.0)]), None);
    }

    #[test]
    fn a_known_example() {
        // y = 1, 3, 2, 5 at x = 0..3: slope 1.1, residual sum 2.7, error sqrt(2.7/2/5).
        let found = slope(&[(0.0, 1.0), (1.0, 3.0), (2.0, 2.0), (3.0, 5.0)]).expect("a line");
        assert!((found.per_second - 1.1).abs() < 1e-12);
        assert!((found.error - (2.7_f64 / 10.0).sqrt()).abs() < 1e-12);
    }

    #[test]
    fn a_warm_up_is_no_growth_and_a_slow_swing_is_less_sure_than_it_looks() {
        let warm: Vec<(f64, f64)> =
            (0..200).map(|at| (f64::from(at), if at < 20 { 0.0 } else { 5.0 })).collect();
        assert!(steady_slope(&warm).expect("a line").per_second.abs() < 1e-9);
        let swings: Vec<(f64, f64)> =
            (0..200).map(|at| (f64::from(at), (f64::from(at) / 30.0).sin())).collect();
        let (each, blocks) = (slope(&swings).expect("a line"), steady_slope(&swings));
        assert!(blocks.expect("a line").error > 2.0 * each.error);
    }

    proptest! {
        #[test]
        fn a_true_line_is_found_without_error(
            start in -1e6..1e6_f64, grows in -1e3..1e3_f64, count in 3..200_u32,
        ) {
            let points: Vec<(f64, f64)> =
                (0..count).map(|at| (f64::from(at), start + grows * f64::from(at))).collect();
            let found = slope(&points).expect("a line");
            prop_assert!((found.per_second - grows).abs() < 1e-6);
            prop_assert!(found.error < 1e-3);
        }

        #[test]
        fn what_only_wobbles_does_not_grow(
            values in prop::collection::vec(-1.0..1.0_f64, 100..200),
        ) {
            let points: Vec<(f64, f64)> =
                values.into_iter().enumerate().map(|(at, value)| (at as f64, value)).collect();
            let found = slope(&points).expect("a line");
            prop_assert!(found.per_second.abs() < 6.0 * found.error);
        }
    }
}
