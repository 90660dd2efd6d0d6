//! One era of one upstream: whether it is spoken, the shared link in it, what was last listed,
//! and what is to be done about it. The supervisor writes, calls read.

use super::{
    link::Link,
    listing::{Kind, Listing},
    wanted::Wanted,
};
use arc_swap::ArcSwapOption;
use mcp_client::ClientError;
use mcp_protocol::Era;
use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, AtomicU8, Ordering},
};
use tokio::sync::{Notify, watch};

/// How an era of an upstream stands.
#[derive(Clone)]
pub(super) enum LaneState {
    /// Nobody knows yet whether the upstream speaks it.
    Unknown {
        /// The last try to find out failed; the next one comes later.
        failed: bool,
    },
    /// The upstream does not speak it.
    Absent,
    /// It was spoken; the connection is gone.
    Down {
        /// The last try to reconnect failed; the next one comes later.
        failed: bool,
    },
    /// Connected.
    Up(Arc<Link>),
}

/// What a call does about the two eras of an upstream.
enum Choice {
    Use(Arc<Link>),
    Wait,
    Fail,
}

/// An upstream that speaks neither era.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SpeaksNone;

/// One era of one upstream.
pub(super) struct Lane {
    /// Which era.
    pub(super) era: Era,
    state: watch::Sender<LaneState>,
    /// The link that was lost, while its session may go on in another socket.
    pub(super) kept: ArcSwapOption<Link>,
    /// What was last listed; kept while the upstream is down.
    pub(super) listing: ArcSwapOption<Listing>,
    /// Whether the first listing has been tried.
    pub(super) listed: AtomicBool,
    /// The resources somebody wants to hear of.
    pub(super) wanted: Wanted,
    /// What to list again.
    pub(super) stale: Stale,
    lost: Mutex<Option<(u64, ClientError)>>,
    lost_told: Notify,
    suspected: Notify,
    missed: Notify,
}

impl Lane {
    /// A lane of which nothing is known.
    pub(super) fn new(era: Era) -> Self {
        Self {
            era,
            state: watch::Sender::new(LaneState::Unknown { failed: false }),
            kept: ArcSwapOption::empty(),
            listing: ArcSwapOption::empty(),
            listed: AtomicBool::new(false),
            wanted: Wanted::default(),
            stale: Stale::default(),
            lost: Mutex::default(),
            lost_told: Notify::new(),
            suspected: Notify::new(),
            missed: Notify::new(),
        }
    }

    /// How it stands.
    pub(super) fn state(&self) -> LaneState {
        self.state.borrow().clone()
    }

    /// Changes how it stands.
    pub(super) fn set(&self, state: LaneState) {
        self.state.send_replace(state);
    }

    /// The link, if connected.
    pub(super) fn link(&self) -> Option<Arc<Link>> {
        match &*self.state.borrow() {
            LaneState::Up(link) => Some(link.clone()),
            LaneState::Unknown { .. } | LaneState::Absent | LaneState::Down { .. } => None,
        }
    }

    /// Whether the upstream is known to speak this era.
    pub(super) fn is_spoken(&self) -> bool {
        matches!(*self.state.borrow(), LaneState::Up(_) | LaneState::Down { .. })
    }

    /// Whether nothing more will come to know about it soon.
    pub(super) fn is_settled(&self) -> bool {
        self.listed.load(Ordering::Acquire) || matches!(*self.state.borrow(), LaneState::Absent)
    }

    /// A call found that this link is of no use any more, and why.
    pub(super) fn tell_lost(&self, link: u64, error: &ClientError) {
        let mut lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        // Ids rise: what is told late of an earlier link hides nothing of a later one.
        if lost.as_ref().is_none_or(|(told, _)| *told <= link) {
            *lost = Some((link, error.clone()));
        }
        drop(lost);
        self.lost_told.notify_one();
    }

    /// A call found something amiss with the link: it should be looked after.
    pub(super) fn suspect(&self) {
        self.suspected.notify_one();
    }

    /// Resolves when a call has found something amiss.
    pub(super) async fn suspicion(&self) {
        self.suspected.notified().await;
    }

    /// A call needs a link here.
    pub(super) fn miss(&self) {
        self.missed.notify_one();
    }

    /// Resolves when a call has come that needs a link here.
    pub(super) async fn missed(&self) {
        self.missed.notified().await;
    }

    /// Resolves when a call has found this link to be of no use, with the reason.
    pub(super) async fn lost(&self, link: u64) -> ClientError {
        loop {
            let told = self.lost.lock().unwrap_or_else(PoisonError::into_inner).take();
            match told {
                Some((id, error)) if id == link => return error,
                _ => self.lost_told.notified().await,
            }
        }
    }
}

/// The link for a call that came in `wanted`'s era: that era's if it is spoken, else the
/// other's; never the link with the id `not`. Waits for it, and says that it is missed, so that
/// the next try comes soon.
pub(super) async fn ready(
    wanted: &Lane,
    other: &Lane,
    not: Option<u64>,
) -> Result<Arc<Link>, SpeaksNone> {
    let mut is_told = false;
    let (mut first, mut second) = (wanted.state.subscribe(), other.state.subscribe());
    loop {
        let choice = choose(&first.borrow_and_update(), &second.borrow_and_update(), not);
        match choice {
            Choice::Use(link) => return Ok(link),
            Choice::Fail => return Err(SpeaksNone),
            Choice::Wait => {}
        }
        if !std::mem::replace(&mut is_told, true) {
            wanted.miss();
            other.miss();
        }
        // Neither fails: the lanes outlive the call.
        tokio::select! { _ = first.changed() => {}, _ = second.changed() => {} }
    }
}

fn choose(wanted: &LaneState, other: &LaneState, not: Option<u64>) -> Choice {
    match wanted {
        LaneState::Up(link) if Some(link.id) == not => Choice::Wait,
        LaneState::Up(link) => Choice::Use(link.clone()),
        LaneState::Down { .. } | LaneState::Unknown { .. } => Choice::Wait,
        LaneState::Absent => match other {
            LaneState::Absent => Choice::Fail,
            LaneState::Up(_) | LaneState::Down { .. } | LaneState::Unknown { .. } => {
                choose(other, &LaneState::Absent, not)
            }
        },
    }
}

/// Which lists to read again, and which of them the upstream announced as changed.
#[derive(Default)]
pub(super) struct Stale {
    bits: AtomicU8,
    told: Notify,
}

impl Stale {
    /// A list was announced as changed.
    pub(super) fn announce(&self, kind: Kind) {
        self.bits.fetch_or(Self::bit(kind) | Self::bit(kind) << 4, Ordering::AcqRel);
        self.told.notify_one();
    }

    /// All lists may have changed unheard.
    pub(super) fn suspect(&self) {
        self.bits.fetch_or(0b111, Ordering::AcqRel);
        self.told.notify_one();
    }

    /// Waits until there is something to read again: what, and what of it was announced.
    pub(super) async fn taken(&self) -> (Vec<Kind>, Vec<Kind>) {
        loop {
            let bits = self.bits.swap(0, Ordering::AcqRel);
            if bits != 0 {
                let of = |shift: u8| {
                    Kind::ALL
                        .into_iter()
                        .filter(|kind| bits & Self::bit(*kind) << shift != 0)
                        .collect()
                };
                return (of(0), of(4));
            }
            self.told.notified().await;
        }
    }

    const fn bit(kind: Kind) -> u8 {
        match kind {
            Kind::Tools => 1,
            Kind::Prompts => 2,
            Kind::Resources => 4,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::time::timeout;

    #[tokio::test]
    async fn announcements_are_gathered() {
        let stale = Stale::default();
        stale.announce(Kind::Tools);
        stale.announce(Kind::Resources);
        assert_eq!(
            stale.taken().await,
            (vec![Kind::Tools, Kind::Resources], vec![Kind::Tools, Kind::Resources])
        );
        stale.suspect();
        stale.announce(Kind::Prompts);
        assert_eq!(stale.taken().await, (Kind::ALL.to_vec(), vec![Kind::Prompts]));
    }

    #[tokio::test(start_paused = true)]
    async fn a_late_report_on_an_earlier_link_hides_none_on_the_present_one() {
        let lane = Lane::new(Era::Legacy);
        lane.tell_lost(7, &ClientError::SessionLost);
        lane.tell_lost(3, &ClientError::Connect("refused".to_owned()));
        let told = timeout(Duration::from_secs(1), lane.lost(7)).await;
        assert!(matches!(told, Ok(ClientError::SessionLost)));
        lane.tell_lost(7, &ClientError::SessionLost);
        lane.tell_lost(8, &ClientError::SessionLost);
        assert!(timeout(Duration::from_secs(1), lane.lost(8)).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_waits_for_as_long_as_there_is_hope_and_says_that_it_does() {
        let (wanted, other) = (Lane::new(Era::Modern), Lane::new(Era::Legacy));
        for state in [LaneState::Unknown { failed: true }, LaneState::Down { failed: true }] {
            wanted.set(state);
            let waiting = ready(&wanted, &other, None);
            assert!(timeout(Duration::from_secs(60), waiting).await.is_err());
            assert!(timeout(Duration::ZERO, wanted.missed()).await.is_ok());
            assert!(timeout(Duration::ZERO, wanted.missed()).await.is_err(), "one try is enough");
        }
        wanted.set(LaneState::Absent);
        other.set(LaneState::Absent);
        assert!(ready(&wanted, &other, None).await.is_err());
    }
}
