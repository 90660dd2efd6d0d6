//! How fast requests may come, of one principal and from one address.

use super::slots::Slots;
use crate::{call::Principal, config::RateLimits};
use governor::{Quota, RateLimiter, clock::Clock, middleware::NoOpMiddleware, nanos::Nanos};
use mcp_telemetry::RateLimit;
use std::{
    hash::Hash,
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    sync::Arc,
    time::Duration,
};
use tokio::time::Instant;

/// Most principals, and most addresses, that are told apart.
const MOST_KEYS: usize = 100_000;

/// A request came too fast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooFast {
    /// What it broke.
    pub(crate) limit: RateLimit,
    /// After which time it would have been in time.
    pub(crate) wait: Duration,
}

/// Both limits.
pub(super) struct Rates {
    principals: Option<Arc<Limiter<Arc<str>>>>,
    addresses: Option<Arc<Limiter<IpAddr>>>,
}

impl Rates {
    pub(super) fn new(limits: &RateLimits) -> Self {
        Self::after(&Self { principals: None, addresses: None }, limits)
    }

    /// The limits that come after these. One that stays as it is goes on counting where it was,
    /// so that a reload gives nobody a new burst.
    pub(super) fn after(before: &Self, limits: &RateLimits) -> Self {
        let principals = quota(limits.per_principal, limits.per_principal_burst);
        let addresses = quota(limits.per_address, limits.per_address_burst);
        Self {
            principals: Limiter::after(before.principals.as_ref(), principals),
            addresses: Limiter::after(before.addresses.as_ref(), addresses),
        }
    }

    /// Counts a request of a principal.
    pub(super) fn check_principal(&self, principal: &Principal) -> Result<(), TooFast> {
        let Some(limiter) = &self.principals else { return Ok(()) };
        let limit = RateLimit::Principal;
        limiter.check(&principal.shared_name()).map_err(|wait| TooFast { limit, wait })
    }

    /// Counts a request from an address.
    pub(super) fn check_address(&self, address: IpAddr) -> Result<(), TooFast> {
        let Some(limiter) = &self.addresses else { return Ok(()) };
        let limit = RateLimit::Address;
        limiter.check(&network(address)).map_err(|wait| TooFast { limit, wait })
    }
}

/// `None` where there is no limit.
fn quota(per_second: u32, burst: u32) -> Option<Quota> {
    let per_second = NonZeroU32::new(per_second)?;
    Some(Quota::per_second(per_second).allow_burst(NonZeroU32::new(burst).unwrap_or(per_second)))
}

/// One client of IPv6 has a whole network of addresses.
fn network(address: IpAddr) -> IpAddr {
    const NETWORK: u128 = !0 << 64;
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & NETWORK).into(),
    }
}

/// One limit over keys.
struct Limiter<K: Hash + Eq + Clone> {
    quota: Quota,
    limiter: RateLimiter<K, Slots<K>, SinceStart, NoOpMiddleware<<SinceStart as Clock>::Instant>>,
}

impl<K: Hash + Eq + Clone> Limiter<K> {
    fn new(quota: Quota, most: usize) -> Self {
        let started = Instant::now();
        let limiter = RateLimiter::new(quota, Slots::new(most, started), SinceStart(started));
        Self { quota, limiter }
    }

    /// The limit of this quota: the one before, if it is the same.
    fn after(before: Option<&Arc<Self>>, quota: Option<Quota>) -> Option<Arc<Self>> {
        let quota = quota?;
        let kept = before.filter(|before| before.quota == quota).cloned();
        Some(kept.unwrap_or_else(|| Arc::new(Self::new(quota, MOST_KEYS))))
    }

    /// Counts a request, or says how long it should have waited.
    fn check(&self, key: &K) -> Result<(), Duration> {
        let now = self.limiter.clock().now();
        self.limiter.check_key(key).map_err(|early| early.wait_time_from(now))
    }
}

/// The runtime's clock, which tests can pause.
#[derive(Debug, Clone)]
struct SinceStart(Instant);

impl Clock for SinceStart {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Instant::now().saturating_duration_since(self.0).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{
        prelude::prop,
        prop_assert, prop_assert_eq,
        test_runner::{Config, TestCaseError, TestRunner},
    };

    fn paused<T>(run: impl Future<Output = T>) -> T {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.expect("a runtime").block_on(run)
    }

    /// Who asks how many milliseconds after the one before.
    type Steps = Vec<(u64, u8)>;

    /// The times at which each of three principals was let in, and those at which it was not.
    #[derive(Debug, Default, Clone, PartialEq)]
    struct Times {
        passed: Vec<Duration>,
        refused: Vec<Duration>,
    }

    /// Runs the steps against a limit; only `counted` really asks.
    fn run(rate: u32, burst: u32, steps: &Steps, counted: impl Fn(u8) -> bool) -> [Times; 3] {
        paused(async {
            let limits = RateLimits {
                per_principal: rate,
                per_principal_burst: burst,
                ..RateLimits::default()
            };
            let (rates, start) = (Rates::new(&limits), Instant::now());
            let mut times: [Times; 3] = Default::default();
            for (millis, who) in steps {
                tokio::time::advance(Duration::from_millis(*millis)).await;
                if !counted(*who) {
                    continue;
                }
                let seen = &mut times[usize::from(*who)];
                match rates.check_principal(&Principal::named(&who.to_string())) {
                    Ok(()) => seen.passed.push(start.elapsed()),
                    Err(early) => {
                        assert!(!early.wait.is_zero() && early.limit == RateLimit::Principal);
                        seen.refused.push(start.elapsed());
                    }
                }
            }
            times
        })
    }

    fn for_any_steps(holds: impl Fn(u32, u32, Steps) -> Result<(), TestCaseError>) {
        let steps = prop::collection::vec((0_u64..400, 0_u8..3), 1..200);
        let config = Config { cases: 64, failure_persistence: None, ..Config::default() };
        let ran = TestRunner::new(config)
            .run(&(1_u32..20, 1_u32..30, steps), |(rate, burst, steps)| holds(rate, burst, steps));
        ran.unwrap_or_else(|error| panic!("{error}"));
    }

    #[test]
    fn in_no_span_of_time_more_pass_than_burst_and_rate_allow() {
        for_any_steps(|rate, burst, steps| {
            for Times { passed, .. } in run(rate, burst, &steps, |_| true) {
                for (first, from) in passed.iter().enumerate() {
                    for (last, until) in passed.iter().enumerate().skip(first) {
                        let span = (*until - *from).as_secs_f64();
                        let most = f64::from(burst) + span * f64::from(rate) + 0.001;
                        prop_assert!((last - first + 1) as f64 <= most, "{passed:?}");
                    }
                }
            }
            Ok(())
        });
    }

    /// A bucket that fills at the rate up to the burst: who finds one in it is let in. So nobody
    /// who stays below the rate is refused.
    #[test]
    fn nobody_is_refused_whom_burst_and_rate_allow() {
        for_any_steps(|rate, burst, steps| {
            for Times { passed, refused } in run(rate, burst, &steps, |_| true) {
                let all = passed.iter().map(|at| (at, true));
                let mut all: Vec<_> = all.chain(refused.iter().map(|at| (at, false))).collect();
                // At the same moment those who passed were first.
                all.sort_by_key(|(at, passed)| (**at, !*passed));
                let (mut held, mut since) = (f64::from(burst), Duration::ZERO);
                for (at, passed) in all {
                    let filled = held + (*at - since).as_secs_f64() * f64::from(rate);
                    (held, since) = (filled.min(f64::from(burst)), *at);
                    prop_assert!(passed || held < 1.001, "refused with {held} at {at:?}");
                    held -= if passed { 1.0 } else { 0.0 };
                }
            }
            Ok(())
        });
    }

    #[test]
    fn what_others_do_makes_no_difference() {
        for_any_steps(|rate, burst, steps| {
            let together = run(rate, burst, &steps, |_| true);
            for who in 0..3 {
                let alone = run(rate, burst, &steps, |other| other == who);
                prop_assert_eq!(&alone[usize::from(who)], &together[usize::from(who)]);
            }
            Ok(())
        });
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_as_long_as_told_comes_in() {
        let limits = RateLimits { per_address: 2, per_address_burst: 3, ..RateLimits::default() };
        let rates = Rates::new(&limits);
        let (one, other) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        for _ in 0..3 {
            assert_eq!(rates.check_address(one), Ok(()));
        }
        let early = rates.check_address(one).expect_err("too fast");
        assert!(early.wait <= Duration::from_millis(500), "{early:?}");
        assert_eq!(rates.check_address(other), Ok(()), "another address has its own");
        tokio::time::advance(early.wait).await;
        assert_eq!(rates.check_address(one), Ok(()));
        assert!(rates.check_address(one).is_err());
        assert_eq!(Rates::new(&RateLimits::default()).check_address(one), Ok(()), "off");
    }

    #[tokio::test(start_paused = true)]
    async fn a_reload_that_changes_something_else_gives_nobody_a_new_burst() {
        let limits = RateLimits { per_address: 1, per_principal: 1, ..RateLimits::default() };
        let (address, me) = (IpAddr::from([192, 0, 2, 1]), Principal::named("me"));
        let rates = Rates::new(&limits);
        assert!(rates.check_address(address).is_ok() && rates.check_principal(&me).is_ok());
        let same = Rates::after(&rates, &limits);
        assert!(same.check_address(address).is_err() && same.check_principal(&me).is_err());
        let other = Rates::after(&same, &RateLimits { per_address: 2, ..limits });
        assert!(other.check_address(address).is_ok(), "another limit counts anew");
        assert!(other.check_principal(&me).is_err(), "and only that one");
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one() {
        let parse = |text: &str| network(text.parse().expect("an address"));
        assert_eq!(parse("2001:db8::1"), parse("2001:db8::ffff"));
        assert_ne!(parse("2001:db8::1"), parse("2001:db8:0:1::1"));
    }

    #[tokio::test(start_paused = true)]
    async fn many_keys_take_no_more_room_than_there_is() {
        const MOST: usize = 160;
        let quota = quota(1, 2).expect("a quota");
        let limiter: Limiter<u32> = Limiter::new(quota, MOST);
        let passed = |limiter: &Limiter<u32>, keys: std::ops::Range<u32>| {
            keys.filter(|key| limiter.check(key).is_ok()).count()
        };
        let first = passed(&limiter, 0..100_000);
        assert!((100..300).contains(&first), "{first}");
        // When the old ones have faded, new ones have room of their own.
        tokio::time::advance(Duration::from_secs(10)).await;
        assert!(passed(&limiter, 200_000..200_100) >= 90);
        assert!(limiter.limiter.into_state_store().len() <= MOST);
    }
}
